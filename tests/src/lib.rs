//! What the tests of parlour share.
