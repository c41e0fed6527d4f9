//! Readings as a ConfigMap holds them: gzip in its `binaryData`, since they are thousands of numbers much like each other,
//! written again and again, of every job.
//!
//! The rule: plain text is read too, as an earlier version wrote it. Tests are below.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;

/// Most bytes that are unpacked: a ConfigMap holds 1 MiB, and numbers do not shrink to less than a sixteenth.
const LARGEST: u64 = 16 << 20;

/// The text, compressed.
pub fn pack(text: &str) -> ByteString {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let written = packer.write_all(text.as_bytes());
    ByteString(written.and_then(|()| packer.finish()).unwrap_or_default())
}

/// The texts of a ConfigMap by key, whatever is packed unpacked. What cannot be unpacked becomes a text that says so,
/// which whoever reads it will pass over and name.
pub fn texts(map: ConfigMap) -> BTreeMap<String, String> {
    let mut texts = map.data.unwrap_or_default();
    for (key, packed) in map.binary_data.unwrap_or_default() {
        let text = unpack(&packed).unwrap_or_else(|error| format!("(not to be unpacked: {error})"));
        texts.insert(key, text);
    }
    texts
}

fn unpack(packed: &ByteString) -> io::Result<String> {
    let mut text = String::new();
    let read = GzDecoder::new(packed.0.as_slice())
        .take(LARGEST)
        .read_to_string(&mut text)?;
    if read as u64 == LARGEST {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(key: &str, packed: ByteString) -> ConfigMap {
        ConfigMap {
            data: Some(BTreeMap::from([
                ("plain".to_owned(), "as it is".to_owned()),
                ("window".to_owned(), "of an earlier version".to_owned()),
            ])),
            binary_data: Some(BTreeMap::from([(key.to_owned(), packed)])),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn what_was_packed_is_read_back_beside_what_is_plain() {
        let text = "[1,2,3],".repeat(1000);
        let packed = pack(&text);
        assert!(packed.0.len() * 20 < text.len(), "{}", packed.0.len());
        let texts = texts(map("window", packed));
        assert_eq!(texts["window"], text);
        assert_eq!(texts["plain"], "as it is");
    }

    #[test]
    fn what_is_damaged_or_swells_says_so_and_leaves_the_rest() {
        let mut cut = pack(&"[1,2,3],".repeat(1000));
        cut.0.truncate(20);
        let bomb = pack(&" ".repeat(17 << 20));
        for packed in [cut, bomb, ByteString(b"{}".to_vec())] {
            let texts = texts(map("window", packed));
            assert!(texts["window"].starts_with("(not to be unpacked: "));
            assert_eq!(texts["plain"], "as it is");
        }
    }
}
