//! FNV-1a: a short number for a long text.

/// The 128-bit FNV-1a hash of these bytes (Fowler, Noll and Vo): the same in every version and on every server.
///
/// It is not a cryptographic hash: anyone can make two texts with the same one.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.into_iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}
