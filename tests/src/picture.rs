//! The picture of `parlour join` in README.md: a real session on a real server, and its screen
//! drawn as SVG.
//!
//! ```text
//! session  the conversation, and alice's terminal while it goes on
//! svg      a terminal's screen as a drawing
//! ```
//!
//! Nothing in it depends on the time, the port or the machine, so the same program draws the same
//! picture every time.

mod session;
mod svg;

/// Plays the session, and draws what its screen shows at the end.
#[must_use]
pub fn draw() -> String {
    let (alice, _server) = session::play();
    without_time(&alice.look(|screen| svg::draw(screen, session::TITLE)))
}

/// The picture with one time for what was said before, whenever it is drawn.
fn without_time(svg: &str) -> String {
    const MARK: &str = "-- earlier (";
    const TIME: &str = "09:30";
    let mut parts = svg.split(MARK);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |drawn, part| drawn + MARK + TIME + &part[TIME.len()..])
}
