//! Downloads of dataset files.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::bytes::hex;
use crate::catalog::StandardFile;
use crate::{DataError, Progress};

/// Longest time for one file, however steadily it comes.
const WHOLE_FILE: Duration = Duration::from_secs(3600);

/// How downloads are tried.
pub(crate) struct Fetcher {
    /// Tries for each URL.
    pub attempts: u32,
    /// Wait after the first failure; doubled after each further one.
    pub pause: Duration,
    /// Longest wait for the next bytes.
    pub stall: Duration,
}

impl Default for Fetcher {
    fn default() -> Self {
        Self {
            attempts: 3,
            pause: Duration::from_millis(500),
            stall: Duration::from_secs(30),
        }
    }
}

/// Why one try failed.
enum Failure {
    /// Trying the same URL again may help.
    Passing(String),
    /// It will not.
    Lasting(String),
    /// This machine is at fault: give up.
    Here(DataError),
}

/// What the receiving thread reports.
enum Event {
    Length(Option<u64>),
    Bytes(Vec<u8>),
    End,
    Failed(Failure),
}

impl Fetcher {
    /// Downloads `file`, compressed, from the first of the `mirrors` that gives it
    /// whole, checks it, and puts it into `folder` in one step.
    pub fn fetch(
        &self,
        mirrors: &[&str],
        file: &StandardFile,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<PathBuf, DataError> {
        fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
        let name = format!("{}.gz", file.name);
        let (path, part) = (
            folder.join(&name),
            Part(folder.join(format!(".{name}.part{}", std::process::id()))),
        );
        let mut attempts = String::new();
        for mirror in mirrors {
            let url = format!("{}/{name}", mirror.trim_end_matches('/'));
            match self.fetch_url(&url, file, &part.0, progress) {
                Ok(()) => {
                    fs::rename(&part.0, &path).map_err(DataError::io("write", &path))?;
                    return Ok(path);
                }
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Passing(reason) | Failure::Lasting(reason)) => {
                    tracing::warn!(url, reason, "download failed");
                    attempts += &format!("  {url}: {reason}\n");
                }
            }
        }
        let hint = format!(
            "put the file {name} into {}, or into a folder of your own and set `data_dir` \
             (--data-dir) to that; `mirror` (--mirror) sets another base URL",
            folder.display()
        );
        Err(DataError::Download {
            file: name,
            attempts,
            hint,
        })
    }

    /// Tries one URL several times.
    fn fetch_url(
        &self,
        url: &str,
        file: &StandardFile,
        part: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let mut pause = self.pause;
        let mut attempt = 1;
        loop {
            let result = self.receive(url, file.name, part, progress);
            match result.and_then(|()| verify(part, file)) {
                Err(Failure::Passing(reason)) if attempt < self.attempts => {
                    tracing::info!(url, reason, "trying again");
                    std::thread::sleep(pause);
                    pause *= 2;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Writes what `url` gives to `part`. The receiving is done by a thread, so that a
    /// server that falls silent is noticed.
    fn receive(
        &self,
        url: &str,
        name: &str,
        part: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let here = |action| {
            let part = part.to_owned();
            move |error| Failure::Here(DataError::io(action, part)(error))
        };
        let mut output = File::create(part).map_err(here("create"))?;
        let (sender, events) = sync_channel(16);
        let (address, stall) = (url.to_owned(), self.stall);
        std::thread::spawn(move || {
            if let Err(failure) = request(&address, stall, &sender) {
                let _ = sender.send(Event::Failed(failure));
            }
        });
        let (mut length, mut received) = (None, 0);
        let mut started = false;
        let result = loop {
            match events.recv_timeout(self.stall) {
                Ok(Event::Length(total)) => {
                    length = total;
                    started = true;
                    progress.start(&format!("download {name}"), total);
                }
                Ok(Event::Bytes(bytes)) => {
                    if let Err(error) = output.write_all(&bytes) {
                        break Err(here("write")(error));
                    }
                    received += bytes.len() as u64;
                    progress.advance(bytes.len() as u64);
                }
                Ok(Event::End) => break Ok(()),
                Ok(Event::Failed(failure)) => break Err(failure),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.stall.as_secs_f32();
                    let reason = format!("nothing came for {seconds} seconds");
                    break Err(Failure::Passing(reason));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(Failure::Passing("the transfer broke off".to_owned()));
                }
            }
        };
        if started {
            progress.finish();
        }
        result?;
        if let Some(length) = length
            && length != received
        {
            let reason = format!("ended after {received} of {length} bytes");
            return Err(Failure::Passing(reason));
        }
        Ok(())
    }
}

/// Requests `url` and reports what comes, until the other side stops listening.
fn request(url: &str, stall: Duration, sender: &SyncSender<Event>) -> Result<(), Failure> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(stall))
        .timeout_global(Some(WHOLE_FILE))
        .build()
        .into();
    let response = agent.get(url).call().map_err(|error| match error {
        ureq::Error::StatusCode(status) => {
            let reason = format!("status {status}");
            if status >= 500 || matches!(status, 408 | 425 | 429) {
                Failure::Passing(reason)
            } else {
                Failure::Lasting(reason)
            }
        }
        ureq::Error::BadUri(reason) => Failure::Lasting(reason),
        error => Failure::Passing(error.to_string()),
    })?;
    let body = response.into_body();
    if sender.send(Event::Length(body.content_length())).is_err() {
        return Ok(());
    }
    let mut reader = body.into_reader();
    loop {
        let mut bytes = vec![0; 1 << 16];
        let count = reader
            .read(&mut bytes)
            .map_err(|error| Failure::Passing(error.to_string()))?;
        bytes.truncate(count);
        let event = if count == 0 {
            Event::End
        } else {
            Event::Bytes(bytes)
        };
        if sender.send(event).is_err() || count == 0 {
            return Ok(());
        }
    }
}

/// Checks the SHA-256 of the decompressed content.
fn verify(part: &Path, file: &StandardFile) -> Result<(), Failure> {
    let input = File::open(part).map_err(|e| Failure::Here(DataError::io("open", part)(e)))?;
    let mut hasher = Sha256::new();
    let mut reader = MultiGzDecoder::new(BufReader::new(input));
    std::io::copy(&mut reader, &mut hasher)
        .map_err(|error| Failure::Lasting(format!("not a whole gzip file ({error})")))?;
    let found = hex(&hasher.finalize());
    if found == file.sha256 {
        return Ok(());
    }
    Err(Failure::Lasting(format!(
        "wrong content: expected SHA-256 {}, found {found}",
        file.sha256
    )))
}

/// A file that is removed unless it has been renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
