//! `vae explore`: a web page to look into a model.

use std::{fmt::Write as _, io::ErrorKind, net::IpAddr, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use vae_explore::{Explorer, Items, Serving, serve};
use vae_variants::{Caller, MapMethod, Trained};

use crate::commands::{
    score,
    using::{DataArgs, ModelArgs, Opened},
};

/// Look into a model on a web page: sliders, a map of the codes, files of your own
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The page shows what latents do, a map of the codes on which any place can be decoded, walks, holes of the prior, outliers, \
and what the model makes of a picture or rows of CSV that are dropped on it. Ctrl-C ends it.

Examples:
  vae explore runs/vae-mnist-mini-1
  vae explore run --dataset new.csv --method tsne --port 9000
  vae explore run --host 0.0.0.0              on the network, to whoever has the token")]
pub struct ExploreArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// How codes become points [default: codes of two numbers as they are, others by pca]
    #[arg(long)]
    pub method: Option<Method>,
    /// Address to serve at; others than this machine's own let others in, who need the token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port; 0 for any that is free
    #[arg(long, value_name = "N", default_value = "8321")]
    pub port: u16,
    /// What others have to show [default: one that is drawn, where the host is not this machine]
    #[arg(long, value_name = "TEXT", value_parser = token)]
    pub token: Option<String>,
}

/// How codes become points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// The first two principal components
    Pca,
    /// t-SNE of at most 10,000, which keeps neighbours near each other
    Tsne,
}

/// Shortest token.
const SHORT: usize = 16;

fn token(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.len() >= SHORT && is_plain {
        true => Ok(text.to_owned()),
        false => Err(format!("a token has at least {SHORT} letters and digits")),
    }
}

/// Serves the page until Ctrl-C.
///
/// # Errors
/// If the model or the data cannot be read, or the address cannot be had.
pub fn run(args: &ExploreArgs) -> Result<ExitCode> {
    let is_local = args.host.is_loopback();
    let token = match (&args.token, is_local) {
        (Some(token), _) => Some(token.clone()),
        (None, true) => None,
        (None, false) => Some(drawn_token()?),
    };
    let serving = listen(args, token.clone())?;
    let opened = args.model.open_for(Caller::Waits)?;
    let given = opened.data_or_all(&args.data)?;
    let (dataset, indices) = given.first(usize::MAX);
    let explorer = Explorer {
        models: copies(&opened)?,
        items: Items {
            name: given.name.clone(),
            dataset,
            indices: indices.into(),
            config: opened.settings.data.clone(),
        },
        method: args.method.map(|method| match method {
            Method::Pca => MapMethod::Pca,
            Method::Tsne => MapMethod::Tsne,
        }),
        // Without what `vae score` has learned, outliers are ranked by their errors.
        detector: score::kept(&opened).ok().flatten(),
    };
    let address = serving.address()?;
    let query = token.map_or(String::new(), |token| format!("?token={token}"));
    println!("http://{address}/{query}");
    if !is_local {
        tracing::warn!(
            "whoever can reach {address} and has the token sees the model and the data, and can use this machine to \
             decode; what is sent is not encrypted"
        );
    }
    opened.note("open this address in a browser; Ctrl-C ends the program");
    let stop = opened.stop.clone();
    serve(explorer, serving, stop).context("the page cannot be served")?;
    Ok(ExitCode::SUCCESS)
}

/// The port that was asked for, or the reason why not with one that is free.
fn listen(args: &ExploreArgs, token: Option<String>) -> Result<Serving> {
    match Serving::at(args.host, args.port, token) {
        Ok(serving) => Ok(serving),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let free = (1..=100).filter_map(|by| args.port.checked_add(by));
            let mut free = free.filter(|port| Serving::at(args.host, *port, None).is_ok());
            match free.next() {
                Some(free) => bail!(
                    "port {} of {} is in use: take --port {free}, which is free",
                    args.port,
                    args.host
                ),
                None => bail!(
                    "port {} of {} is in use: take --port 0 for any that is free",
                    args.port,
                    args.host
                ),
            }
        }
        Err(error) => Err(error)
            .with_context(|| format!("{} port {} cannot be listened to", args.host, args.port)),
    }
}

/// The model once more for each thread: two for what must be quick, one for what takes long.
fn copies(opened: &Opened) -> Result<Vec<Trained>> {
    let copy = || Trained::open(&opened.folder, opened.settings.backend);
    Ok((0..3).map(|_| copy()).collect::<Result<_, _>>()?)
}

/// From the system's source of randomness.
fn drawn_token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("no token can be drawn: name one by --token")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
