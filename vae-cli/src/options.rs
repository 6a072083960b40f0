//! The command line: the commands, and the flags that are settings.

mod flags;
pub mod help;

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::commands::{Command, train::TrainArgs};

/// What can be written.
#[derive(Debug, Parser)]
#[command(name = "vae", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: TrainArgs,
}

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Parses the command line; prints help or what is wrong and ends the program where it must.
pub fn parse() -> Command {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

fn parse_from<I, T>(arguments: I) -> Result<Command, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let cli = Cli::from_arg_matches(&command().try_get_matches_from(arguments)?)?;
    let command = cli.command.unwrap_or(Command::Train(cli.train));
    if let Command::Train(args) = &command {
        args.check()?;
    }
    Ok(command)
}

/// The whole command line.
pub fn command() -> clap::Command {
    let about =
        "Train, compare and use autoencoders. Without a command, `vae` trains, as `vae train`";
    let root = Cli::command().about(about).subcommand_value_name("COMMAND");
    let version = Arg::new("version").short('V').long("version");
    let version = version.action(ArgAction::Version).hide_short_help(true);
    finished(root)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .arg(version.help("Print the version").help_heading(help::OUTPUT))
        .mut_subcommands(finished)
}

fn finished(command: clap::Command) -> clap::Command {
    let has_settings = command.get_arguments().any(|arg| arg.get_id() == "set");
    let (heading, text) = match has_settings {
        true => (
            Some(help::OUTPUT),
            "Print the common options; --help prints all of them",
        ),
        false => (None, "Print this help"),
    };
    let help = Arg::new("help").short('h').long("help");
    let help = help.action(ArgAction::Help).help_heading(heading);
    command
        .args_override_self(true)
        .max_term_width(100)
        .disable_help_flag(true)
        .arg(help.help(text))
}

#[cfg(test)]
mod tests;
