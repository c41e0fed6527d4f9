//! The commands of `local-cluster`. Results go to standard output, progress to standard error.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::api_server::ApiServer;
use crate::cluster::Cluster;
use crate::down::down;
use crate::images::{Wanted, Workshop};
use crate::options::Options;
use crate::programs;
use crate::progress::Progress;
use crate::status::Status;

/// A real one-node Kubernetes on this machine, without Docker.
#[derive(Parser)]
#[command(name = "local-cluster", version)]
struct Arguments {
    /// Install missing Debian packages (also when CI is "true").
    #[arg(long, global = true)]
    install: bool,
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the cluster, or what of it does not run.
    Up,
    /// End the cluster and take back all it changed on this machine.
    Down {
        /// Also remove the imported images and the state directory.
        #[arg(long)]
        purge: bool,
    },
    /// Show what runs, the node and the images; fails when the cluster is not up.
    Status,
    /// Print the path of the administrator's kubeconfig.
    Kubeconfig,
    /// Print the path of a program (kubectl, helm, etcd, ...), built first when needed.
    Path {
        /// The program's name.
        program: String,
    },
    /// Import an image archive.
    LoadImage {
        /// The archive, as `docker save` and similar commands write it.
        file: PathBuf,
    },
    /// Make images and import them into the cluster: flink-1.20, flink-2.3, example-1.20,
    /// example-2.3, example-python, kafka, operator; without a name, all whose inputs are there.
    Images {
        /// Which images.
        names: Vec<String>,
        /// The project's folder, where the images' inputs are.
        #[arg(long, default_value = ".")]
        project: PathBuf,
        /// Write archives to this folder instead of importing.
        #[arg(long)]
        save: Option<PathBuf>,
    },
    /// Run etcd and an API server without a node until interrupted.
    Apiserver {
        /// Where to keep the data; must be empty or from an earlier run.
        #[arg(long)]
        dir: PathBuf,
        /// The port on loopback; a free one when absent.
        #[arg(long)]
        port: Option<u16>,
    },
}

/// Runs the command line.
pub fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // There is nowhere else to tell that telling failed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut options = Options::from_env()?;
    options.install |= arguments.install;
    let progress = Progress::stderr();
    match &arguments.command {
        Action::Up => {
            let cluster = Cluster::up(&options, &progress)?;
            say(&format!(
                "export KUBECONFIG={}",
                cluster.kubeconfig().display()
            ))?;
        }
        Action::Down { purge } => down(&options, *purge, &progress)?,
        Action::Status => {
            let status = Status::look(&options);
            say(status.render().trim_end())?;
            if !status.is_up() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Action::Kubeconfig => {
            say(&Cluster::running(&options)?
                .kubeconfig()
                .display()
                .to_string())?;
        }
        Action::Path { program } => {
            say(&programs::path(program, &options, &progress)?
                .display()
                .to_string())?;
        }
        Action::LoadImage { file } => {
            for name in Cluster::running(&options)?.load_image(file)? {
                say(&name)?;
            }
        }
        Action::Images {
            names,
            project,
            save,
        } => {
            make_images(names, project, save.as_deref(), &options, &progress)?;
        }
        Action::Apiserver { dir, port } => {
            let server = ApiServer::start_in(dir, *port, &options, &progress)?;
            say(&format!(
                "export KUBECONFIG={}",
                server.kubeconfig.display()
            ))?;
            // The kernel ends the server with this process, whichever signal ends that.
            loop {
                std::thread::park();
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn make_images(
    names: &[String],
    project: &Path,
    save: Option<&Path>,
    options: &Options,
    progress: &Progress,
) -> Result<()> {
    let wanted = if names.is_empty() {
        let there = |wanted: &Wanted| wanted.input(project).is_none_or(|input| input.exists());
        Wanted::all().into_iter().filter(there).collect()
    } else {
        names
            .iter()
            .map(|name| Wanted::parse(name))
            .collect::<Result<Vec<_>>>()?
    };
    let cluster = if save.is_none() {
        Some(Cluster::running(options)?)
    } else {
        None
    };
    let workshop = Workshop::new(options, progress);
    for wanted in wanted {
        let image = wanted.make(project, &workshop)?;
        if let Some(folder) = save {
            let file = folder.join(format!("{}-{}.tar", wanted.name(), image.key()));
            let out = std::fs::File::create(&file)
                .with_context(|| format!("failed to create {}", file.display()))?;
            image.write(std::io::BufWriter::new(out), &BTreeSet::new())?;
            say(&file.display().to_string())?;
        }
        if let Some(cluster) = &cluster {
            cluster.import(std::slice::from_ref(&image), progress)?;
            say(&format!(
                "{} {} MiB",
                image.tags.join(" "),
                image.size() >> 20
            ))?;
        }
    }
    Ok(())
}

fn say(text: &str) -> Result<()> {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        bail!("failed to write to standard output");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
