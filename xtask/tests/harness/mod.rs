//! Runs `xtask experiments` with a stand-in for the `vae` binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A folder with an experiments file, an output folder and the files that control the stand-in.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A bench with this experiments file.
    pub fn new(experiments: &str) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        fs::create_dir(bench.fake("")).expect("a new folder");
        bench.control("version", "1.0");
        bench.control("data", "fingerprint");
        bench.experiments(experiments);
        bench
    }

    pub fn experiments(&self, text: &str) {
        fs::write(self.folder.path().join("experiments.toml"), text).expect("writable");
    }

    /// Writes a file that controls the stand-in.
    pub fn control(&self, file: &str, text: &str) {
        fs::write(self.fake(file), text).expect("writable");
    }

    pub fn release(&self, file: &str) {
        fs::remove_file(self.fake(file)).expect("a file to remove");
    }

    /// `xtask experiments` with the file, two trials at once, and more options.
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = self.bare_command(&["--jobs", "2", "--threads", "1"]);
        command
            .arg(self.folder.path().join("experiments.toml"))
            .args(options);
        command
    }

    /// `xtask experiments` without a file.
    pub fn bare_command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("experiments")
            .arg("--vae")
            .arg(fake_vae())
            .arg("--out")
            .arg(self.out());
        command
            .args(options)
            .env("FAKE", self.fake(""))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, options: &[&str]) -> Output {
        self.command(options).output().expect("xtask starts")
    }

    /// Runs, and expects success.
    pub fn succeed(&self) -> Output {
        let output = self.run(&[]);
        assert!(output.status.success(), "{}", errors(&output));
        output
    }

    /// Starts in the background, with standard error for later.
    pub fn start(&self) -> Child {
        let mut command = self.command(&[]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("xtask starts")
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn report(&self) -> String {
        fs::read_to_string(self.out().join("report.md")).expect("a report")
    }

    /// All trainings so far, sorted, and forgets them.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.fake("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.fake("calls"));
        let mut calls: Vec<String> = calls.lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }

    /// The folders of trials, sorted.
    pub fn trials(&self) -> Vec<String> {
        let entries = fs::read_dir(self.out().join("trials")).expect("trials");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }

    /// Waits until the training of a variant waits, and gives its process.
    pub fn wait_for_pid(&self, variant: &str) -> String {
        let file = self.fake(&format!("pid-{variant}"));
        wait_for(&file);
        fs::read_to_string(file)
            .expect("a process id")
            .trim()
            .to_owned()
    }

    fn fake(&self, file: &str) -> PathBuf {
        self.folder.path().join("fake").join(file)
    }
}

/// The stand-in, written before any process is started: a file that is being written
/// cannot be executed.
fn fake_vae() -> &'static Path {
    static FAKE: OnceLock<PathBuf> = OnceLock::new();
    FAKE.get_or_init(|| {
        use std::os::unix::fs::PermissionsExt;
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake-vae.sh");
        let _ = fs::remove_file(&path);
        fs::write(&path, include_str!("../fake/vae.sh")).expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        path
    })
}

pub fn wait_for(file: &Path) {
    let started = Instant::now();
    while !file.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{} does not come",
            file.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: &str) {
    let status = Command::new("kill")
        .args(["-s", name, process])
        .status()
        .expect("kill starts");
    assert!(status.success(), "kill {name} {process}");
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
