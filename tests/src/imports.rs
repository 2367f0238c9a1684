//! Finds the modules of its crate that a source names. It reads only as much of Rust as it needs.

/// The words and signs of a source, without comments, texts and test code.
fn tokens(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let chars: Vec<char> = source.chars().collect();
    let starts_with =
        |at: usize, text: &str| text.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
        let rest = &chars[at..];
        let len = if starts_with(at, "//") {
            rest.iter().take_while(|c| **c != '\n').count()
        } else if starts_with(at, "/*") {
            (2..rest.len()).find(|&n| starts_with(at + n, "*/")).map_or(rest.len(), |n| n + 2)
        } else if rest[0] == '"' {
            text_len(rest)
        } else if rest[0] == '\'' {
            char_len(rest)
        } else if starts_with(at, "::") {
            tokens.push("::".to_owned());
            2
        } else if is_word(&rest[0]) {
            let word: String = rest.iter().take_while(|c| is_word(c)).collect();
            let len = word.chars().count();
            let hashes = rest[len..].iter().take_while(|c| **c == '#').count();
            if matches!(word.as_str(), "r" | "br") && rest.get(len + hashes) == Some(&'"') {
                let end = format!("\"{}", "#".repeat(hashes));
                let from = len + hashes + 1;
                (from..rest.len()).find(|&n| starts_with(at + n, &end)).map_or(rest.len(), |n| n + end.len())
            } else {
                tokens.push(word);
                len
            }
        } else {
            if !rest[0].is_whitespace() {
                tokens.push(rest[0].to_string());
            }
            1
        };
        at += len;
    }
    tokens
}

/// How long the text is that starts with these quotes.
fn text_len(chars: &[char]) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// How long the character is that starts with this quote, which may begin a lifetime as well.
fn char_len(chars: &[char]) -> usize {
    match chars {
        ['\'', '\\', _, rest @ ..] => {
            3 + rest.iter().position(|c| *c == '\'').map_or(rest.len(), |at| at + 1)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// A path that was imported or named: its words, and its name here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Import {
    words: Vec<String>,
    called: String,
}

/// Reads the path, or the tree of paths in braces, that starts `tokens`; returns how many of them
/// it takes.
fn read_tree(tokens: &[String], before: &[String], found: &mut Vec<Import>) -> usize {
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    if word(0) == "{" {
        let mut at = 1;
        while at < tokens.len() && word(at) != "}" {
            at += if word(at) == "," { 1 } else { read_tree(&tokens[at..], before, found).max(1) };
        }
        return at + 1;
    }
    let is_part = word(0) == "*" || word(0).starts_with(|c: char| c.is_alphanumeric() || c == '_');
    if !is_part {
        return 0;
    }
    // The text behind `::` may not be a path, as in `Vec::<u8>::new()`.
    let words = [before, &[word(0).to_owned()]].concat();
    if word(1) == "::" {
        let used = read_tree(&tokens[2..], &words, found);
        if used > 0 {
            return 2 + used;
        }
    }
    let (called, used) = if word(1) == "as" { (word(2), 3) } else { (word(0), 1) };
    found.push(Import { words, called: called.to_owned() });
    used
}

/// All paths in a source that start with `root`, or with as many `super` as lead to the root from
/// a module `depth` below it: without these.
fn paths(source: &str, root: &str, depth: usize) -> Vec<Import> {
    let (tokens, mut found) = (tokens(source), Vec::new());
    for at in 0..tokens.len() {
        if at > 0 && tokens[at - 1] == "::" {
            continue;
        }
        let start = if tokens[at] == root && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at + 2
        } else {
            let is_super = |pair: &&[String]| pair[0] == "super" && pair[1] == "::";
            let supers = tokens[at..].chunks_exact(2).take_while(is_super).count();
            if supers == 0 || supers < depth {
                continue;
            }
            at + 2 * supers
        };
        read_tree(&tokens[start..], &[], &mut found);
    }
    found
}

/// A crate that modules import from.
pub struct Crate {
    /// The exports of its root under another module's name: the name, and the module.
    exports: Vec<(String, String)>,
    /// The items of the root itself, which are in no module.
    items: Vec<String>,
}

impl Crate {
    /// The crate with this root file.
    #[must_use]
    pub fn new(root_file: &str) -> Self {
        let tokens = tokens(root_file);
        let mut found = Vec::new();
        for at in (0..tokens.len()).filter(|&at| tokens[at] == "use") {
            read_tree(&tokens[at + 1..], &[], &mut found);
        }
        let is_export = |import: &Import| import.words.len() > 1 && import.called != "*";
        let exports = found.into_iter().filter(is_export).map(|Import { mut words, called }| {
            let first = if words[0] == "self" || words[0] == "crate" { 1 } else { 0 };
            (called, words.swap_remove(first))
        });
        let exports = exports.collect();
        let declares =
            |word: &str| ["fn", "const", "static", "struct", "enum", "trait", "type"].contains(&word);
        let items = tokens.windows(2).filter(|pair| declares(&pair[0])).map(|pair| pair[1].clone()).collect();
        Self { exports, items }
    }

    /// The modules that a source names, by its paths from `root` or from the module above the
    /// modules of its crate, `depth` above it. `*` stands for all of them.
    #[must_use]
    pub fn imports(&self, source: &str, root: &str, depth: usize) -> Vec<String> {
        let paths = paths(source, root, depth);
        let module = |Import { words, .. }: Import| {
            let export = self.exports.iter().find(|(name, _)| *name == words[0]);
            export.map_or_else(|| words[0].clone(), |(_, module)| module.clone())
        };
        paths.into_iter().map(module).filter(|module| !self.items.contains(module)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "pub mod low;\nmod high;\npub use high::{Top, deep::Thing as Other};\npub use low::*;\npub fn helper() {}";

    #[track_caller]
    fn check(source: &str, want: &[&str]) {
        assert_eq!(Crate::new(ROOT).imports(source, "crate", 1), want, "{source}");
    }

    #[test]
    fn an_import_is_found_however_it_is_written() {
        check("use crate::high;", &["high"]);
        check("use crate::high::deep::Thing;", &["high"]);
        check("use crate::{low, high};", &["low", "high"]);
        check("use crate::{low::{A, B}, high::{deep::{C}, D}};", &["low", "low", "high", "high"]);
        check("use {std::fmt, crate::high::D};", &["high"]);
        check("use crate :: {\n    low, // the ground\n    high as h,\n};", &["low", "high"]);
        check("pub(crate) use crate::high::{self, E};", &["high", "high"]);
        check("use crate::*;", &["*"]);
    }

    #[test]
    fn a_path_that_is_no_import_is_found_too() {
        check("fn f() -> crate::high::D { crate::low::g::<crate::high::E>() }", &["high", "low", "high"]);
        check("macro_rules! m { () => { $crate::high::f!() } }", &["high"]);
        check("fn f(x: impl crate::high::T) {}", &["high"]);
    }

    #[test]
    fn what_the_root_exports_counts_as_its_module() {
        check("use crate::Top;", &["high"]);
        check("use crate::{Other, low};", &["high", "low"]);
        check("use crate::{Unknown, low};", &["Unknown", "low"]);
    }

    #[test]
    fn what_stands_in_the_root_is_in_no_module() {
        check("use crate::{helper, low};", &["low"]);
    }

    #[test]
    fn a_path_through_the_module_above_is_found() {
        check("use super::high;", &["high"]);
        check("use super::{low, high::D};", &["low", "high"]);
        let deep = |source| Crate::new(ROOT).imports(source, "crate", 2);
        assert_eq!(
            deep("use super::super::high; use super::sibling; use super::super::{low};"),
            ["high", "low"]
        );
    }

    #[test]
    fn what_only_looks_like_an_import_is_none() {
        check("// use crate::high;\n/* crate::high */", &[]);
        check("const A: &str = \"crate::high\"; const B: &str = r#\"\"crate::high\"#;", &[]);
        check("const A: char = '\"'; use crate::low; const B: char = '\\'';", &["low"]);
        check("use other::crate_like::high; use my_crate::high; use std::high;", &[]);
        check("fn f<'a>(x: &'a str) -> &'a str { x }", &[]);
        check("#[cfg(test)]\nmod tests {\n    use crate::high;\n}", &[]);
    }
}
