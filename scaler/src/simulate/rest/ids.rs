//! Flink's ids of what the model knows by name.

/// The id that Flink would give to what has this name: FNV-1a of 128 bits in 32 hex digits, so that the same name
/// has the same id in every run. What is such an id already stays as it is.
pub fn hex(name: &str) -> String {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if name.len() == 32 && name.bytes().all(digit) {
        return name.to_owned();
    }
    let mixed = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    format!("{:032x}", name.bytes().fold(START, mixed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_published_hash_and_an_id_stays() {
        // Test vectors of the hash.
        assert_eq!(hex(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hex("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_eq!(hex(&hex("a")), hex("a"));
        assert_ne!(hex("map"), hex("sink"));
    }
}
