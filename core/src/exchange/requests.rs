//! What the hub asks of the driver besides to look at a connection: records, decisions, a reader. That is seldom,
//! so one flag says whether there is anything of it.

use super::Exchange;
use crate::io::Output;
#[cfg(all(feature = "save", feature = "console"))]
use crate::limits::FOLLOWERS;

impl Exchange<'_> {
    /// The next thing to ask for. It comes before all connections, because these may have no end.
    #[cold]
    pub(super) fn next_request(&mut self) -> Option<Output> {
        #[cfg(feature = "large")]
        if let Some(wanted) = self.next_wanted() {
            return Some(Output::Wanted(wanted));
        }
        #[cfg(feature = "large")]
        if self.has_new_proposals() {
            return Some(Output::Proposals);
        }
        #[cfg(feature = "console")]
        if let Some(follower) = self.next_news() {
            return Some(Output::News { follower });
        }
        self.agenda.asked();
        None
    }

    /// Names everything again, for another driver.
    #[cfg(feature = "save")]
    pub(crate) fn name_again(&mut self) {
        for slot in self.slots() {
            self.touch(slot);
            #[cfg(feature = "large")]
            self.want_page_again(slot);
        }
        #[cfg(feature = "large")]
        self.name_proposals_again();
        #[cfg(feature = "console")]
        for index in 0..FOLLOWERS {
            self.name_follower_again(index);
        }
    }
}
