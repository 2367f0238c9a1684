//! How values become bytes, in postcard's encoding.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, Serializer};

/// Bytes in one piece; serde would take each as a number.
pub(crate) fn bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Appends the encoding of a value.
pub(crate) fn encode(value: &impl Serialize, bytes: &mut Vec<u8>) {
    struct Append<'b>(&'b mut Vec<u8>);

    impl Flavor for Append<'_> {
        type Output = ();

        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.push(byte);
            Ok(())
        }

        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }

        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }

    // A vector takes everything, and every length is known.
    let encoded = postcard::serialize_with_flavor(value, Append(bytes));
    debug_assert!(encoded.is_ok(), "{encoded:?}");
}
