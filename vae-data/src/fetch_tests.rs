//! Downloads from a server of our own on the loopback interface.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;
use crate::NoProgress;
use crate::bytes::gzip;

/// SHA-256 of "hello".
const HELLO: StandardFile = StandardFile {
    name: "hello",
    sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
};

/// How the server answers one request.
#[derive(Clone)]
enum Answer {
    Body(Vec<u8>),
    Truncated(Vec<u8>),
    Status(u16),
    Silence,
}

/// Serves one answer after the other, the last one for ever; gives the base URL.
fn serve(answers: Vec<Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for (i, stream) in listener.incoming().enumerate() {
            let answer = &answers[i.min(answers.len() - 1)];
            // A silent connection must stay open.
            open.extend(stream.ok().and_then(|stream| respond(stream, answer)));
        }
    });
    format!("http://{address}/data/")
}

fn respond(mut stream: TcpStream, answer: &Answer) -> Option<TcpStream> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
    assert!(request.starts_with("GET /data/hello.gz "), "{request}");
    let head = |status: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    let (head, body) = match answer {
        Answer::Body(body) => (head("200 OK", body.len()), body.clone()),
        Answer::Truncated(body) => (head("200 OK", body.len() + 7), body.clone()),
        Answer::Status(status) => (head(&format!("{status} No"), 0), Vec::new()),
        Answer::Silence => return Some(stream),
    };
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()?;
    None
}

fn good() -> Answer {
    Answer::Body(gzip(b"hello"))
}

fn quick() -> Fetcher {
    Fetcher {
        attempts: 3,
        pause: Duration::from_millis(1),
        stall: Duration::from_secs(20),
    }
}

/// What `fetch` gives, and the names that are in the folder afterwards.
fn fetch(fetcher: &Fetcher, servers: &[Vec<Answer>]) -> (Result<PathBuf, DataError>, Vec<String>) {
    let urls: Vec<String> = servers
        .iter()
        .map(|answers| serve(answers.clone()))
        .collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new/folder");
    let result = fetcher.fetch(&urls, &HELLO, &folder, &NoProgress);
    let names = fs::read_dir(&folder).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    (result, names.collect())
}

#[test]
fn a_good_file_is_put_in_place_and_reported() {
    #[derive(Default)]
    struct Count(AtomicU64, Mutex<Vec<String>>);
    impl Progress for Count {
        fn start(&self, what: &str, total: Option<u64>) {
            self.1.lock().unwrap().push(format!("{what} {total:?}"));
        }
        fn advance(&self, n: u64) {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
        fn finish(&self) {
            self.1.lock().unwrap().push("end".to_owned());
        }
    }
    let packed = gzip(b"hello");
    let url = serve(vec![good()]);
    let (dir, count) = (tempfile::tempdir().unwrap(), Count::default());
    let path = quick().fetch(&[&url], &HELLO, dir.path(), &count).unwrap();
    assert_eq!(path, dir.path().join("hello.gz"));
    assert_eq!(fs::read(&path).unwrap(), packed);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(count.0.into_inner(), packed.len() as u64);
    let lines = count.1.into_inner().unwrap();
    assert_eq!(
        lines,
        [
            format!("download hello Some({})", packed.len()),
            "end".to_owned()
        ]
    );
}

#[test]
fn a_failure_is_tried_again() {
    let (result, names) = fetch(
        &quick(),
        &[vec![
            Answer::Status(503),
            Answer::Truncated(gzip(b"hello")),
            good(),
        ]],
    );
    result.unwrap();
    assert_eq!(names, ["hello.gz"]);
}

#[test]
fn the_next_mirror_helps_when_a_file_is_missing() {
    let (result, names) = fetch(&quick(), &[vec![Answer::Status(404)], vec![good()]]);
    result.unwrap();
    assert_eq!(names, ["hello.gz"]);
}

#[test]
fn errors_name_each_url_and_say_what_to_do() {
    let servers = [
        vec![Answer::Status(404)],
        vec![Answer::Body(gzip(b"other"))],
        vec![Answer::Body(b"<html>".to_vec())],
        vec![Answer::Truncated(gzip(b"hello"))],
    ];
    let (result, names) = fetch(&quick(), &servers);
    let text = result.unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "cannot download hello.gz:");
    assert!(lines[1].starts_with("  http://127.0.0.1:"));
    assert!(lines[1].ends_with("/data/hello.gz: status 404"));
    assert!(lines[2].contains(HELLO.sha256), "{text}");
    assert!(lines[3].contains("not a whole gzip file"), "{text}");
    assert!(lines[5].starts_with("put the file hello.gz into"), "{text}");
    assert!(lines[5].contains("--data-dir"), "{text}");
    assert_eq!(names, [""; 0]);
}

#[test]
fn a_silent_server_is_given_up() {
    let fetcher = Fetcher {
        attempts: 2,
        stall: Duration::from_millis(50),
        ..quick()
    };
    let begin = Instant::now();
    let (result, names) = fetch(&fetcher, &[vec![Answer::Silence]]);
    let text = result.unwrap_err().to_string();
    assert!(text.contains("nothing came for 0.05 seconds"), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(names, [""; 0]);
}

#[test]
fn nobody_listening_is_an_error_too() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://{closed}");
    let result = quick().fetch(&[&url], &HELLO, dir.path(), &NoProgress);
    assert!(result.unwrap_err().to_string().contains(&url));
}
