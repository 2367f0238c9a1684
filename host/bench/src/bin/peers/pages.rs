//! The pages that are written, and what each is made of.

use std::fmt::Write;

use crate::results::Results;
use crate::{markdown, stored};

/// A page, and the results that it is made of.
pub(crate) struct Page {
    /// The name of both, without the ending.
    pub(crate) name: &'static str,
    title: &'static str,
    /// Whether it is about servers that store what they pass on.
    pub(crate) is_about_stores: bool,
    sections: fn(&mut String, &Results),
}

pub(crate) const PAGES: [Page; 2] = [
    Page {
        name: "results",
        title: "Measured side by side",
        is_about_stores: false,
        sections: markdown::sections,
    },
    Page {
        name: "stored",
        title: "Stored, measured side by side",
        is_about_stores: true,
        sections: stored::sections,
    },
];

impl Page {
    /// The whole page.
    pub(crate) fn text(&self, results: &Results) -> String {
        let machine = &results.machine;
        let mut text = format!(
            "# {}\n\n\
             Written by `cargo peers`: {} ({} processors, {}), the server on one processor and the load on another; \
             medians of {} rounds of {} s. A figure depends on the machine; what can be compared are figures \
             of one run.",
            self.title,
            machine.processor,
            machine.processors,
            machine.kernel,
            machine.rounds,
            machine.seconds,
        );
        (self.sections)(&mut text, results);
        let failures = results.failures();
        if !results.missing.is_empty() || !failures.is_empty() {
            text += "\nNot measured:\n\n";
            for (what, why) in results.missing.iter().chain(&failures) {
                let _ = writeln!(text, "- {what}: {why}");
            }
        }
        text += "\nVersions:\n\n";
        for (peer, version) in &results.versions {
            let _ = writeln!(text, "- {peer}: {version}");
        }
        text
    }
}
