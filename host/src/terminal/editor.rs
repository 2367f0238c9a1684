//! The line that is being typed, and the history of earlier lines. It owns the editing keys and knows
//! no terminal.

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation;

use super::keys::Key;

/// How many lines the history keeps.
const HISTORY_LINES: usize = 500;

/// A line with a cursor. The cursor is between two characters as a reader counts them (grapheme
/// clusters).
#[derive(Debug, Default)]
pub(super) struct Editor {
    text: String,
    /// In bytes, always at a grapheme's boundary.
    cursor: usize,
    history: VecDeque<String>,
    /// The line of the history that is shown. The history's length means none.
    shown: usize,
    /// The line that was being typed when the walk through the history began.
    draft: String,
    /// The text that was last deleted by a key that deletes more than a character.
    cut: String,
    search: Option<Search>,
}

/// A search in the history, from the newest line on.
#[derive(Debug)]
struct Search {
    pattern: String,
    /// The line that was found. The history's length means none.
    found: usize,
    /// The line and the cursor to go back to.
    before: (String, usize),
}

impl Editor {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The cursor's place in the text, in bytes.
    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// The text that is searched for in the history.
    pub(super) fn searched(&self) -> Option<&str> {
        self.search.as_ref().map(|search| search.pattern.as_str())
    }

    /// Acts on an editing key. Other keys do nothing.
    pub(super) fn handle(&mut self, key: &Key) {
        if let Some(search) = self.search.take()
            && self.search(search, key)
        {
            return;
        }
        match *key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Left | Key::Ctrl('b') => self.cursor = self.left(),
            Key::Right | Key::Ctrl('f') => self.cursor = self.right(),
            Key::WordLeft => self.cursor = self.word_left(char::is_alphanumeric),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.text.len(),
            Key::Backspace => self.delete(self.left(), self.cursor),
            Key::Delete | Key::Ctrl('d') => self.delete(self.cursor, self.right()),
            Key::Ctrl('u') => self.cut(0, self.cursor),
            Key::Ctrl('k') => self.cut(self.cursor, self.text.len()),
            Key::Ctrl('w') => self.cut(self.word_left(|c| !c.is_whitespace()), self.cursor),
            Key::Alt('d') => self.cut(self.cursor, self.word_right()),
            Key::Ctrl('y') => self.insert(&self.cut.clone()),
            Key::Ctrl('r') => {
                let (before, found) = ((self.text.clone(), self.cursor), self.history.len());
                self.search = Some(Search { pattern: String::new(), found, before });
            }
            Key::Up | Key::Ctrl('p') => self.older(),
            Key::Down | Key::Ctrl('n') => self.newer(),
            _ => {}
        }
    }

    /// Types `text`. Control characters other than tab are left out, so the line stays one line.
    pub(super) fn insert(&mut self, text: &str) {
        let clean: String = text.chars().filter(|&c| c == '\t' || !c.is_control()).collect();
        self.text.insert_str(self.cursor, &clean);
        self.cursor = self.boundary(self.cursor + clean.len());
    }

    /// Replaces the line by `text`, with the cursor at byte `cursor`.
    pub(super) fn replace(&mut self, text: &str, cursor: usize) {
        self.text.clear();
        self.text.push_str(text);
        self.cursor = self.boundary(cursor.min(text.len()));
        self.shown = self.history.len();
    }

    /// Replaces the text from byte `start` to the cursor by `text`.
    pub(super) fn exchange(&mut self, start: usize, text: &str) {
        self.delete(start, self.cursor);
        self.insert(text);
    }

    /// The newest line in the history that satisfies `wanted`.
    pub(super) fn last_that(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        self.history.iter().rev().map(String::as_str).find(|line| wanted(line))
    }

    /// Keeps `line` in the history, unless it repeats the last one.
    pub(super) fn remember(&mut self, line: &str) {
        if self.history.back().is_none_or(|last| last != line) {
            self.history.push_back(line.to_owned());
        }
        if self.history.len() > HISTORY_LINES {
            self.history.pop_front();
        }
        self.shown = self.history.len();
    }

    /// Goes on with a search. Returns whether the key belongs to it. Other keys end the search and keep
    /// the line that was found.
    fn search(&mut self, mut search: Search, key: &Key) -> bool {
        let below = match *key {
            Key::Char(c) => {
                search.pattern.push(c);
                self.history.len()
            }
            Key::Backspace => {
                search.pattern.pop();
                self.history.len()
            }
            Key::Ctrl('r') => search.found,
            Key::Escape | Key::Ctrl('g') => {
                (self.text, self.cursor) = search.before;
                return true;
            }
            _ => return false,
        };
        let lines = self.history.range(..below);
        let is_found = |line: &String| !search.pattern.is_empty() && line.contains(&search.pattern);
        if let Some(found) = lines.enumerate().rev().find(|(_, line)| is_found(line)).map(|(at, _)| at) {
            search.found = found;
            self.show(found);
        }
        self.search = Some(search);
        true
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to {
            self.text[from..to].clone_into(&mut self.cut);
        }
        self.delete(from, to);
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.drain(from..to);
        self.cursor = self.boundary(from);
    }

    /// The first boundary of a grapheme at `place` or behind it. A change of the text may have joined
    /// characters.
    fn boundary(&self, place: usize) -> usize {
        let starts = self.text.grapheme_indices(true).map(|(start, _)| start);
        starts.chain([self.text.len()]).find(|&start| start >= place).unwrap_or(self.text.len())
    }

    fn left(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(start, _)| start)
    }

    fn right(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    /// The start of the word before the cursor. `inside` says which characters a word has.
    fn word_left(&self, inside: fn(char) -> bool) -> usize {
        let word_end = self.text[..self.cursor].trim_end_matches(|c| !inside(c));
        word_end.trim_end_matches(inside).len()
    }

    fn word_right(&self) -> usize {
        let rest = self.text[self.cursor..].trim_start_matches(|c: char| !c.is_alphanumeric());
        self.boundary(self.text.len() - rest.trim_start_matches(char::is_alphanumeric).len())
    }

    fn older(&mut self) {
        if self.shown == 0 {
            return;
        }
        if self.shown == self.history.len() {
            self.draft.clone_from(&self.text);
        }
        self.show(self.shown - 1);
    }

    fn newer(&mut self) {
        if self.shown < self.history.len() {
            self.show(self.shown + 1);
        }
    }

    fn show(&mut self, index: usize) {
        self.shown = index;
        self.text.clone_from(self.history.get(index).unwrap_or(&self.draft));
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::{Editor, HISTORY_LINES};
    use crate::terminal::keys::Key;

    /// Types `text`, in which `|` marks the cursor, presses `keys` and compares.
    #[track_caller]
    fn check(text: &str, keys: &[Key], expected: &str) {
        let mut editor = Editor::default();
        editor.replace(&text.replace('|', ""), text.find('|').expect("a cursor"));
        for key in keys {
            editor.handle(key);
        }
        assert_eq!(with_cursor(&editor), expected);
    }

    fn with_cursor(editor: &Editor) -> String {
        let (before, after) = editor.text().split_at(editor.cursor());
        format!("{before}|{after}")
    }

    #[test]
    fn characters_go_in_at_the_cursor() {
        check("a|d", &[Key::Char('b'), Key::Char('c')], "abc|d");
    }

    #[test]
    fn the_cursor_moves_by_what_a_reader_calls_a_character() {
        check("a👩‍👩‍👧|b", &[Key::Left], "a|👩‍👩‍👧b");
        check("|e\u{301}x", &[Key::Right], "e\u{301}|x");
        check("漢字|", &[Key::Left, Key::Left, Key::Left], "|漢字");
    }

    #[test]
    fn deleting_takes_whole_characters() {
        check("ae\u{301}|b", &[Key::Backspace], "a|b");
        check("a|🇩🇪b", &[Key::Delete], "a|b");
        check("|", &[Key::Backspace, Key::Delete, Key::Ctrl('w')], "|");
    }

    #[test]
    fn what_joins_its_neighbour_leaves_the_cursor_behind_both() {
        check("e|\u{301}", &[], "e\u{301}|");
        check("e|x", &[Key::Char('\u{301}'), Key::Left], "|e\u{301}x");
        check("🇩|🇪", &[Key::Backspace], "|");
    }

    #[test]
    fn ctrl_a_e_go_to_the_ends() {
        check("one| two", &[Key::Ctrl('a')], "|one two");
        check("one| two", &[Key::Ctrl('e')], "one two|");
    }

    #[test]
    fn ctrl_u_k_cut_to_the_ends() {
        check("one| two", &[Key::Ctrl('u')], "| two");
        check("one| two", &[Key::Ctrl('k')], "one|");
    }

    #[test]
    fn ctrl_w_cuts_back_to_a_space() {
        check("say it's-me  |now", &[Key::Ctrl('w')], "say |now");
    }

    #[test]
    fn words_are_letters_and_digits() {
        check("one, two|", &[Key::WordLeft], "one, |two");
        check("one, two|", &[Key::WordLeft, Key::WordLeft], "|one, two");
        check("one|, größe!", &[Key::WordRight], "one, größe|!");
    }

    #[test]
    fn what_was_cut_can_be_put_in_again() {
        check("one two|", &[Key::Ctrl('w'), Key::Ctrl('a'), Key::Ctrl('y')], "two|one ");
        check("one| two", &[Key::Ctrl('k'), Key::Ctrl('k'), Key::Ctrl('y'), Key::Ctrl('y')], "one two two|");
        check("|one two", &[Key::Alt('d'), Key::End, Key::Ctrl('y')], " twoone|");
    }

    #[test]
    fn the_history_is_searched_back_from_the_newest_line() {
        let search = |keys: &[Key]| {
            let mut editor = Editor::default();
            for line in ["first one", "second one", "third"] {
                editor.remember(line);
            }
            editor.insert("draft");
            editor.handle(&Key::Ctrl('r'));
            for key in keys {
                editor.handle(key);
            }
            (with_cursor(&editor), editor.searched().map(str::to_owned))
        };
        let on = [Key::Char('o'), Key::Char('n')];
        assert_eq!(search(&on), ("second one|".into(), Some("on".into())));
        let again = [&on[..], &[Key::Ctrl('r')]].concat();
        assert_eq!(search(&again), ("first one|".into(), Some("on".into())));
        assert_eq!(search(&[&again[..], &[Key::Ctrl('r')]].concat()).0, "first one|");
        assert_eq!(search(&[&again[..], &[Key::Left]].concat()), ("first on|e".into(), None));
        assert_eq!(search(&[&again[..], &[Key::Escape]].concat()), ("draft|".into(), None));
        assert_eq!(search(&[Key::Char('d'), Key::Backspace, Key::Char('f')]).0, "first one|");
    }

    #[test]
    fn control_characters_do_not_get_in() {
        let mut editor = Editor::default();
        editor.insert("a\x1b[2Jb\n\tc\u{9b}");
        assert_eq!(editor.text(), "a[2Jb\tc");
    }

    #[test]
    fn history_gives_back_the_draft() {
        let mut editor = Editor::default();
        editor.remember("first");
        editor.remember("second");
        editor.insert("draft");
        let mut seen = Vec::new();
        for key in [Key::Up, Key::Up, Key::Up, Key::Down, Key::Down, Key::Down] {
            editor.handle(&key);
            seen.push(with_cursor(&editor));
        }
        assert_eq!(seen, ["second|", "first|", "first|", "second|", "draft|", "draft|"]);
    }

    #[test]
    fn history_keeps_no_doubles_and_an_end() {
        let mut editor = Editor::default();
        for line in 0..2 * HISTORY_LINES {
            editor.remember(&line.to_string());
            editor.remember(&line.to_string());
        }
        assert_eq!(editor.history.len(), HISTORY_LINES);
        assert_eq!(editor.history[0], HISTORY_LINES.to_string());
    }
}
