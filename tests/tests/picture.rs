//! The picture of `parlour join` in README.md is the same as its real screen.

use std::fs;
use std::path::Path;

#[test]
fn the_picture_shows_what_the_client_draws() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/join.svg");
    let stored = fs::read_to_string(path).expect("docs/join.svg");
    let drawn = parlour_tests::picture::draw();
    for (number, (stored, drawn)) in stored.lines().zip(drawn.lines()).enumerate() {
        assert_eq!(stored, drawn, "line {}; {AGAIN}", number + 1);
    }
    assert_eq!(stored.lines().count(), drawn.lines().count(), "{AGAIN}");
}

const AGAIN: &str = "draw it again: cargo run -p parlour-tests --bin picture > docs/join.svg";
