//! `vae explore` under requests that mean no good, and under clients that do nothing.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use common::{
    Place, SMALL, assert_says,
    served::{images, served},
};
use serde_json::json;

#[test]
fn requests_that_mean_no_good_are_refused_with_a_reason() {
    let served = images();
    let zeros = "[0,0,0,0]";
    let many = vec![zeros; 101].join(",");
    let long = vec!["0"; 5000].join(",");
    let numbers = vec!["1"; 101].join(",");
    let deep = "[".repeat(100_000);
    // Each is a kind: the address, what is sent, the status, and words of the answer.
    let decode: &[(&str, u16, &str)] = &[
        ("", 400, "EOF"),
        ("{", 400, "EOF"),
        ("nonsense", 400, "JSON"),
        ("[]", 422, "expected struct"),
        ("{}", 400, "from 1 to 100 codes"),
        (r#"{"codes": 3}"#, 422, "codes"),
        (r#"{"codes": []}"#, 400, "from 1 to 100 codes"),
        (r#"{"codes": [[]]}"#, 400, "a code has 4 numbers, and not 0"),
        (
            r#"{"codes": [[1, 2, 3]]}"#,
            400,
            "a code has 4 numbers, and not 3",
        ),
        (r#"{"codes": [[1, 2, 3, NaN]]}"#, 400, "JSON"),
        (r#"{"codes": [[1, 2, 3, null]]}"#, 422, "codes"),
        (
            r#"{"codes": [[1, 2, 3, 1e39]]}"#,
            400,
            "number out of range",
        ),
        (r#"{"codes": [[1, 2, 3, 1e999]]}"#, 400, "number"),
        (r#"{"codes": [[1, 2, 3, 1e7]]}"#, 400, "from -1e6 to 1e6"),
        (r#"{"codes": [["a", 2, 3, 4]]}"#, 422, "codes"),
        (
            r#"{"codes": [[0,0,0,0]], "more": 1}"#,
            422,
            "unknown field `more`",
        ),
        (r#"{"codes": [[0,0,0,0]], "class": "x"}"#, 422, "class"),
        (r#"{"codes": [[0,0,0,0]], "class": -1}"#, 422, "class"),
        (r#"{"at": [[1]]}"#, 422, "at"),
        (r#"{"at": [[1, 1e30]]}"#, 400, "from -1e6 to 1e6"),
        (r#"{"at": [[1, null]]}"#, 422, "at"),
        ("\u{0}\u{1}\u{2}", 400, "JSON"),
    ];
    for (body, status, words) in decode {
        let answer = served.post("/api/decode", body);
        assert_eq!(answer.status, *status, "{body}: {}", answer.json());
        assert_says(answer.json()["error"].as_str().unwrap(), &[words]);
    }
    let other: &[(&str, &str, String, u16, &str)] = &[
        (
            "POST",
            "/api/decode",
            format!(r#"{{"codes": [{many}]}}"#),
            400,
            "from 1 to 100",
        ),
        (
            "POST",
            "/api/decode",
            format!(r#"{{"codes": [[{long}]]}}"#),
            400,
            "4 numbers, and not 5000",
        ),
        ("POST", "/api/decode", deep, 422, "invalid type"),
        (
            "POST",
            "/api/decode",
            " ".repeat(2 << 20),
            413,
            "at most 1 MiB",
        ),
        (
            "POST",
            "/api/sample",
            r#"{"count": 0, "seed": 1}"#.into(),
            400,
            "from 1 to 100",
        ),
        (
            "POST",
            "/api/sample",
            r#"{"count": 1000000000, "seed": 1}"#.into(),
            400,
            "from 1 to 100",
        ),
        (
            "POST",
            "/api/sample",
            r#"{"count": -1, "seed": 1}"#.into(),
            422,
            "count",
        ),
        (
            "POST",
            "/api/sample",
            r#"{"count": 1, "seed": -1}"#.into(),
            422,
            "seed",
        ),
        (
            "POST",
            "/api/sample",
            r#"{"count": 1, "seed": 1, "temperature": -1}"#.into(),
            400,
            "temperature",
        ),
        (
            "POST",
            "/api/sample",
            r#"{"count": 1, "seed": 1, "temperature": 1e300}"#.into(),
            400,
            "temperature",
        ),
        ("POST", "/api/sample", r#"{"count": 1}"#.into(), 422, "seed"),
        (
            "POST",
            "/api/walk",
            format!(r#"{{"from": {zeros}, "to": {zeros}, "steps": 1}}"#),
            400,
            "from 2 to 100",
        ),
        (
            "POST",
            "/api/walk",
            format!(r#"{{"from": {zeros}, "to": {zeros}, "steps": 1000000}}"#),
            400,
            "from 2 to 100",
        ),
        (
            "POST",
            "/api/walk",
            format!(r#"{{"from": {zeros}, "to": [1], "steps": 5}}"#),
            400,
            "4 numbers, and not 1",
        ),
        (
            "POST",
            "/api/walk",
            format!(r#"{{"from": {zeros}, "steps": 5}}"#),
            422,
            "to",
        ),
        (
            "GET",
            "/api/items/200",
            String::new(),
            404,
            "there is no example 200",
        ),
        ("GET", "/api/items/-1", String::new(), 400, "whole number"),
        ("GET", "/api/items/1e3", String::new(), 400, "whole number"),
        (
            "GET",
            "/api/items/99999999999999999999999",
            String::new(),
            400,
            "whole number",
        ),
        (
            "GET",
            "/api/items/..%2f..%2fetc%2fpasswd",
            String::new(),
            400,
            "whole number",
        ),
        ("GET", "/api/items/%00", String::new(), 400, "whole number"),
        ("GET", "/api/examples", String::new(), 400, "numbers"),
        (
            "GET",
            "/api/examples?numbers=",
            String::new(),
            400,
            "whole numbers",
        ),
        (
            "GET",
            "/api/examples?numbers=a,b",
            String::new(),
            400,
            "whole numbers",
        ),
        (
            "GET",
            "/api/examples?numbers=0,200",
            String::new(),
            404,
            "there is no example 200",
        ),
        (
            "GET",
            &format!("/api/examples?numbers={numbers}"),
            String::new(),
            400,
            "at most 100",
        ),
        (
            "GET",
            "/api/examples?numbers=1&more=2",
            String::new(),
            400,
            "more",
        ),
        (
            "GET",
            "/../../etc/passwd",
            String::new(),
            404,
            "nothing at this address",
        ),
        (
            "GET",
            "/%2e%2e/%2e%2e/etc/passwd",
            String::new(),
            404,
            "nothing at this address",
        ),
        (
            "GET",
            "/app.js/../secret",
            String::new(),
            404,
            "nothing at this address",
        ),
        ("GET", "/api", String::new(), 404, "nothing at this address"),
        ("GET", "/api/decode", String::new(), 405, "another method"),
        (
            "DELETE",
            "/api/items/1",
            String::new(),
            405,
            "another method",
        ),
        ("PUT", "/", String::new(), 405, "another method"),
        ("POST", "/api/model", "{}".into(), 405, "another method"),
        ("TRACE", "/api/model", String::new(), 405, "another method"),
    ];
    for (method, path, body, status, words) in other {
        let answer = served.request(
            method,
            path,
            "content-type: application/json\r\n",
            body.as_bytes(),
        );
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert_eq!(
            answer.status,
            *status,
            "{method} {path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_says(answer.json()["error"].as_str().unwrap(), &[words]);
    }
    let typed = served
        .request("POST", "/api/decode", "content-type: text/plain\r\n", b"{}")
        .unwrap();
    assert_eq!(typed.status, 415);
    served.works();
}

#[test]
fn files_that_are_none_are_refused_with_a_reason() {
    let served = images();
    let drop =
        |headers: &str, body: &[u8]| served.request("POST", "/api/drop", headers, body).unwrap();
    let mut cut = b"\x89PNG\r\n\x1a\n".to_vec();
    cut.extend([0; 100]);
    // A picture of 60,000 x 60,000 pixels, as its head says.
    let mut bomb =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x06\0\0\0".to_vec();
    bomb.extend([0x4d, 0x3c, 0x8d, 0x5c, 0, 0, 0, 0]);
    let cases: &[(&[u8], u16, &str)] = &[
        (b"", 400, "the file is empty"),
        (b"no picture", 415, "no picture"),
        (b"<svg onload=alert(1)>", 415, "no picture"),
        (b"\xff\xd8\xff", 422, "dropped.jpg"),
        (&cut, 422, "dropped.png"),
        (&bomb, 422, "dropped.png"),
        (b"GIF89a", 415, "no picture"),
        (b"II*\0\0\0\0\0", 422, "dropped.tiff"),
        (b"RIFF\0\0\0\0WEBP", 422, "dropped.webp"),
        (b"BM", 422, "dropped.bmp"),
    ];
    for (body, status, words) in cases {
        let answer = drop("", body);
        let said = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, *status, "{said}");
        assert_says(&said, &[words]);
        assert!(!said.contains("/tmp"), "{said}");
    }
    // A name is no path.
    let named = drop(
        "content-disposition: attachment; filename=\"../../../etc/passwd\"\r\n",
        b"x",
    );
    assert_eq!(named.status, 415);
    // 2 GB, as it says, are refused before they are sent.
    let large = drop("content-length: 2147483648\r\n", &[0; 1000]);
    assert_eq!(large.status, 413);
    assert_says(large.json()["error"].as_str().unwrap(), &["at most 64 MiB"]);
    // And so they are in pieces that do not say how much there will be.
    let before = served.memory();
    let mut stream = served.connect();
    let head = format!(
        "POST /api/drop HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        served.host()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let piece = [b"100000\r\n".as_slice(), &vec![b'a'; 1 << 20], b"\r\n"].concat();
    let sent = (0..2048)
        .take_while(|_| stream.write_all(&piece).is_ok())
        .count();
    assert!(sent < 200, "{sent} MiB were taken");
    assert!(
        served.memory() < before + (256 << 10),
        "{} KiB, and {before} before",
        served.memory()
    );
    served.works();
}

#[test]
fn rows_that_do_not_fit_are_refused_by_column() {
    let served = served(
        "--dataset rows.csv --hidden 8 --latent 2 --epochs 1 --threads 1",
        "--split all",
    );
    let drop = |body: &str| {
        served
            .request("POST", "/api/drop", "", body.as_bytes())
            .unwrap()
    };
    let found = drop("kind,b,a,more\ny,2,1,9\n,3,,\n");
    assert_eq!(found.status, 200, "{}", found.json());
    let examples = found.json()["examples"].clone();
    assert_eq!(examples[0]["original"]["cells"], json!(["1", "2", "y"]));
    assert!(examples[0]["neighbours"].as_array().unwrap().len() > 3);
    for (body, words) in [
        ("kind,b\ny,2\n", "`a`"),
        ("a,b,kind\n1,2\n", "expected 3 cells"),
        ("a,b,kind\n1,x,y\n", "`b`"),
        ("a,b,kind\n1,2,z\n", "`z`"),
        ("a,b,kind\n", "no"),
        ("a,b,kind\n1,\"2,y\n", ""),
        ("\u{feff}\n\n", ""),
        ("just words", ""),
    ] {
        let answer = drop(body);
        assert_eq!(answer.status, 422, "{body:?}: {}", answer.json());
        let said = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            said.contains(words) && !said.contains("/tmp"),
            "{body:?}: {said}"
        );
    }
    let binary = served
        .request("POST", "/api/drop", "", b"a,b\n\xff\xfe\n")
        .unwrap();
    assert_eq!(binary.status, 415);
    assert_eq!(served.get("/api/model", "").json()["data"]["kind"], "row");
}

#[test]
fn pages_of_other_origins_cannot_ask() {
    let served = images();
    let port = served.address.port();
    let own = format!("http://127.0.0.1:{port}");
    for (headers, status) in [
        (format!("host: localhost:{port}\r\n"), 200),
        (format!("host: [::1]:{port}\r\n"), 200),
        (format!("origin: {own}\r\n"), 200),
        ("sec-fetch-site: same-origin\r\n".to_owned(), 200),
        ("sec-fetch-site: none\r\n".to_owned(), 200),
        ("origin: http://evil.example\r\n".to_owned(), 403),
        ("origin: null\r\n".to_owned(), 403),
        (format!("origin: http://localhost:{port}\r\n"), 403),
        (format!("origin: https://127.0.0.1:{port}\r\n"), 403),
        ("sec-fetch-site: cross-site\r\n".to_owned(), 403),
        (
            "sec-fetch-site: same-site\r\nsec-fetch-mode: navigate\r\n".to_owned(),
            403,
        ),
        // A name that leads to this machine, after it led elsewhere.
        (format!("host: evil.example:{port}\r\n"), 421),
        (format!("host: 127.0.0.1.evil.example:{port}\r\n"), 421),
        ("host: 127.0.0.1\r\n".to_owned(), 421),
        ("host: 127.0.0.1:1\r\n".to_owned(), 421),
        ("host: \r\n".to_owned(), 421),
    ] {
        assert_eq!(
            served.get("/api/model", &headers).status,
            status,
            "{headers}"
        );
    }
    // A link leads to the page itself.
    let linked = served.get(
        "/",
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n",
    );
    assert_eq!(linked.status, 200);
    assert_says(
        &linked.head,
        &["content-security-policy: default-src 'self'", "nosniff"],
    );
    assert_eq!(
        served
            .raw(b"GET /api/model HTTP/1.0\r\n\r\n")
            .unwrap()
            .status,
        400
    );
    served.works();
}

#[test]
fn what_is_no_http_ends_the_connection_alone() {
    let served = images();
    let host = served.host();
    let head = format!("GET /api/model HTTP/1.1\r\nhost: {host}\r\n");
    let cases: Vec<Vec<u8>> = vec![
        b"\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        vec![0; 4096],
        vec![b'A'; 200_000],
        format!("{head}{}\r\n\r\n", "x: y\r\n".repeat(5000)).into_bytes(),
        format!("{head}x: {}\r\n\r\n", "y".repeat(200_000)).into_bytes(),
        format!("{head}x\0y: z\r\n\r\n").into_bytes(),
        format!("GET /{} HTTP/1.1\r\nhost: {host}\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!("POST /api/decode HTTP/1.1\r\nhost: {host}\r\ncontent-length: x\r\n\r\n").into_bytes(),
        format!("POST /api/decode HTTP/1.1\r\nhost: {host}\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{{}}").into_bytes(),
        format!("POST /api/decode HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").into_bytes(),
    ];
    for bytes in cases {
        let mut stream = served.connect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer);
        let status = status.split(' ').nth(1).unwrap_or("none").to_owned();
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(
            ["none", "400", "414", "431", "404", "421", "415"].contains(&status.as_str()),
            "{start:?}: {status}"
        );
    }
    served.works();
}

/// Clients that connect and say nothing, that send a byte now and then, and that never read.
#[test]
fn clients_that_do_nothing_keep_no_one_waiting() {
    let served = images();
    let idle: Vec<TcpStream> = (0..1000)
        .map_while(|_| TcpStream::connect(served.address).ok())
        .collect();
    assert!(idle.len() > 200, "{} connections", idle.len());
    let mut slow = served.connect();
    slow.write_all(b"POST /api/decode HTTP/1.1\r\nhost: ")
        .unwrap();
    // Asks again and again, and reads nothing of it.
    let mut deaf = served.connect();
    let asks = format!("GET /app.js HTTP/1.1\r\nhost: {}\r\n\r\n", served.host()).repeat(500);
    deaf.set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let _ = deaf.write_all(asks.as_bytes());
    let began = Instant::now();
    for _ in 0..20 {
        served.works();
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    // Those that say nothing are sent away.
    let mut first = &idle[0];
    first
        .set_read_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    let mut rest = Vec::new();
    assert!(first.read_to_end(&mut rest).is_ok() || rest.is_empty());
    served.works();
}

#[test]
fn others_than_this_machine_need_the_token() {
    let served = served(SMALL, "--first 50 --host 0.0.0.0");
    let token = served.token.clone().unwrap();
    assert_eq!(token.len(), 32);
    for headers in [
        "",
        "authorization: Bearer wrong\r\n",
        "cookie: vae-token=wrong\r\n",
        "cookie: vae-token=\r\n",
    ] {
        for path in ["/", "/api/model", "/app.js", "/?token=wrong"] {
            let answer = served.get(path, headers);
            assert_eq!(answer.status, 401, "{path} {headers}");
            assert_says(
                answer.json()["error"].as_str().unwrap(),
                &["it holds the token"],
            );
        }
    }
    let entered = served.get(&format!("/?token={token}"), "");
    assert_eq!(entered.status, 303);
    assert_says(
        &entered.head,
        &[&format!(
            "set-cookie: vae-token={token}; HttpOnly; SameSite=Strict"
        )],
    );
    for headers in [
        format!("cookie: a=b; vae-token={token}\r\n"),
        served.bearer(),
    ] {
        assert_eq!(served.get("/api/model", &headers).status, 200);
    }
    // Not even with it may another page ask.
    let foreign = format!("{}origin: http://evil.example\r\n", served.bearer());
    assert_eq!(served.get("/api/model", &foreign).status, 403);
}

#[test]
fn a_port_in_use_and_bad_flags_are_refused() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out run --quiet"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let message = place.fail(&format!("explore run --port {port}"));
    assert_says(
        &message,
        &[&format!("port {port} of 127.0.0.1 is in use: take --port")],
    );
    assert_says(
        &place.fail("explore run --token short"),
        &["at least 16 letters and digits"],
    );
    assert_says(&place.fail("explore run --host example"), &["--host"]);
    assert_says(
        &place.fail("explore none --port 0"),
        &["none is not the folder of a run"],
    );
    assert_says(
        &place.fail("explore run --port 0 --dataset none.csv"),
        &["none.csv"],
    );
}
