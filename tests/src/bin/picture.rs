//! Draws `docs/join.svg`: `cargo run -p parlour-tests --bin picture > docs/join.svg`.

fn main() {
    print!("{}", parlour_tests::picture::draw());
}
