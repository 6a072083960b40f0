//! A page that is served, and raw requests to it.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Place, SMALL};

/// A page that is served until this is dropped.
pub struct Served {
    pub program: Child,
    pub address: SocketAddr,
    pub token: Option<String>,
    _place: Place,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

pub fn served(train: &str, explore: &str) -> Served {
    let place = Place::new();
    place.write(
        "rows.csv",
        "a,b,kind\n".to_owned() + &"1,2,x\n2,1,y\n3,5,x\n0,1,y\n".repeat(40),
    );
    place.run(&format!("{train} --out run --quiet"));
    let mut command = place.command(&format!("explore run --port 0 --quiet {explore}"));
    let mut program = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let rest = line.trim().strip_prefix("http://").unwrap();
    let (address, query) = rest.split_once('/').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let served = Served {
        program,
        address: SocketAddr::new([127, 0, 0, 1].into(), address.port()),
        token: query.strip_prefix("?token=").map(str::to_owned),
        _place: place,
    };
    let bearer = served.bearer();
    let end = Instant::now() + Duration::from_secs(60);
    while served.get("/api/atlas", &bearer).json()["ready"] != true {
        assert!(Instant::now() < end, "no map after a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
    served
}

pub fn images() -> Served {
    served(SMALL, "--first 200")
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}\n{}", self.head, String::from_utf8_lossy(&self.body)))
    }
}

impl Served {
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.address.port())
    }

    pub fn bearer(&self) -> String {
        self.token.as_ref().map_or(String::new(), |token| {
            format!("authorization: Bearer {token}\r\n")
        })
    }

    /// Sends bytes as they are, and reads the answer.
    pub fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        // It may be answered, and closed, before all of it is sent.
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        if let Err(error) = stream.read_to_end(&mut all) {
            assert!(
                matches!(error.kind(), ErrorKind::ConnectionReset),
                "{error}"
            );
        }
        let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer {
            status,
            head,
            body: all[end + 4..].to_vec(),
        })
    }

    pub fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<Answer> {
        let has_host = headers.to_ascii_lowercase().starts_with("host:");
        let host = if has_host {
            String::new()
        } else {
            format!("host: {}\r\n", self.host())
        };
        let length =
            match headers.contains("content-length") || headers.contains("transfer-encoding") {
                true => String::new(),
                false => format!("content-length: {}\r\n", body.len()),
            };
        let head =
            format!("{method} {path} HTTP/1.1\r\n{host}{headers}{length}connection: close\r\n\r\n");
        self.raw(&[head.as_bytes(), body].concat())
    }

    pub fn get(&self, path: &str, headers: &str) -> Answer {
        self.request("GET", path, headers, b"").unwrap()
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request(
            "POST",
            path,
            "content-type: application/json\r\n",
            body.as_ref(),
        )
        .unwrap()
    }

    /// It still does what it is for.
    pub fn works(&self) {
        let answer = self.post(
            "/api/decode",
            json!({ "codes": [[0.0, 0.0, 0.0, 0.0]] }).to_string(),
        );
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.json()["codes"][0], json!([0.0, 0.0, 0.0, 0.0]));
    }

    /// KiB of memory that the program holds.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id()))
            .unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    }
}
