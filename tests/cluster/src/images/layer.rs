//! Layers of images: tar files named by their content, and the small ones that are written here.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};

use crate::hash;

/// A tar file whose content becomes part of an image's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The tar file.
    pub file: PathBuf,
    /// SHA-256 of it, hexadecimal.
    pub digest: String,
    /// Length in bytes.
    pub size: u64,
}

impl Layer {
    /// The layer of a finished tar file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(file: &Path) -> Result<Self> {
        let (digest, size) = hash::sha256_file(file)
            .with_context(|| format!("failed to read the layer {}", file.display()))?;
        Ok(Self {
            file: file.to_owned(),
            digest,
            size,
        })
    }
}

/// One file or folder of a layer that is put together here.
#[derive(Clone, Debug)]
pub struct Entry {
    path: String,
    mode: u32,
    owner: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    File(PathBuf),
    Folder,
}

impl Entry {
    /// A text file that everybody may read.
    pub fn text(path: &str, text: &str) -> Self {
        Self::new(path, 0o644, Content::Text(text.to_owned()))
    }

    /// A copy of a file that everybody may read.
    pub fn file(path: &str, source: &Path) -> Self {
        Self::new(path, 0o644, Content::File(source.to_owned()))
    }

    /// A folder.
    pub fn folder(path: &str) -> Self {
        Self::new(path, 0o755, Content::Folder)
    }

    fn new(path: &str, mode: u32, content: Content) -> Self {
        Self {
            path: path.trim_start_matches('/').to_owned(),
            mode,
            owner: 0,
            content,
        }
    }

    /// The same, as a program.
    #[must_use]
    pub fn executable(self) -> Self {
        Self {
            mode: 0o755,
            ..self
        }
    }

    /// The same, owned by a user and the group of the same number.
    #[must_use]
    pub fn owned_by(self, owner: u64) -> Self {
        Self { owner, ..self }
    }
}

/// Writes a layer of `entries`; folders above them that the image may lack must be among them.
///
/// # Errors
/// When a source cannot be read or the layer cannot be written.
pub fn write_layer(entries: &[Entry], out: impl Write) -> Result<()> {
    let mut tar = Builder::new(out);
    for entry in entries {
        add(&mut tar, entry)?;
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

/// Adds one entry to a tar file, without a date: only content counts.
pub(super) fn add<W: Write>(tar: &mut Builder<W>, entry: &Entry) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner);
    header.set_gid(entry.owner);
    header.set_mtime(0);
    let mut append = |kind, size, data: &mut dyn Read| {
        header.set_entry_type(kind);
        header.set_size(size);
        tar.append_data(&mut header, &entry.path, data)
            .with_context(|| format!("failed to add {} to an image", entry.path))
    };
    match &entry.content {
        Content::Text(text) => append(EntryType::Regular, text.len() as u64, &mut text.as_bytes()),
        Content::Folder => append(EntryType::Directory, 0, &mut std::io::empty()),
        Content::File(source) => {
            let mut file = File::open(source)
                .with_context(|| format!("failed to read {}", source.display()))?;
            let size = fs::metadata(source)?.len();
            append(EntryType::Regular, size, &mut file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_modes_and_owners_are_kept() {
        let long = format!("/{}job.jar", "long/".repeat(40));
        let entries = [
            Entry::folder("/opt"),
            Entry::text("/etc/motd", "hello"),
            Entry::text(&long, "x").owned_by(9999).executable(),
        ];
        let mut bytes = Vec::new();
        write_layer(&entries, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (
                    path,
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.entry_type().is_dir(),
                )
            })
            .collect();
        let expected = [
            ("opt", 0o755, 0, true),
            ("etc/motd", 0o644, 0, false),
            (long.trim_start_matches('/'), 0o755, 9999, false),
        ];
        assert_eq!(
            seen,
            expected.map(|(path, mode, owner, is_dir)| { (path.to_owned(), mode, owner, is_dir) })
        );
    }

    #[test]
    fn the_same_entries_are_the_same_bytes() {
        let write = || {
            let mut bytes = Vec::new();
            write_layer(&[Entry::text("/a", "b")], &mut bytes).unwrap();
            bytes
        };
        assert_eq!(write(), write());
    }
}
