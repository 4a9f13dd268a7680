//! What a source may say, decided on its words before anything is compiled or run. The engine counts steps, but one step can do much: join two long
//! texts, compare two deep lists, call itself. So here a source is kept to what cannot grow:
//!
//! - conditions, loops, names for values; no macros, blocks, includes, calls;
//! - lists only where they are looped over or searched, and never within each other;
//! - texts are joined only where they are written out, and at most so many times in one tag; nothing is multiplied;
//! - tags, their length and their nesting are bounded, so that neither the compiler nor this reader runs deep.

use minijinja::machinery::{Span, Token, tokenize};
use model::template::shape::{CLOSE, OPEN};

use super::words::{FILTERS, TESTS};
use super::{AROUND, syntax};

/// Most tags of one source.
const TAGS_MAX: usize = 1500;
/// Most words of one tag.
const WORDS_MAX: usize = 150;
/// Most texts that are joined in one tag.
const JOINS_MAX: usize = 30;
/// Deepest blocks within blocks; every `elif` counts as one.
const NESTING_MAX: usize = 40;
/// Deepest loops within loops.
const LOOPS_MAX: usize = 3;

/// Words of the language that stand for no name.
const KEYWORDS: [&str; 13] = ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];
/// What can be asked of a loop.
const OF_LOOP: [&str; 5] = ["index", "index0", "first", "last", "length"];
/// What can be asked of anything else: the parts of `pairs`.
const OF_ITEM: [&str; 2] = ["name", "value"];

/// Looks at a source.
///
/// # Errors
/// The first thing that it may not say, with its line.
pub(super) fn look(source: &str, parameters: &[&str]) -> Result<(), String> {
    if source.contains([OPEN, CLOSE]) {
        return Err(String::from("holds characters of the private area (U+E000, U+E001), which rendering uses itself"));
    }
    let mut reader = Looker { parameters, named: Vec::new(), blocks: Vec::new(), tags: 0, elifs: 0 };
    let mut tag: Vec<(Token<'_>, Span)> = Vec::new();
    for token in tokenize(source, false, syntax()) {
        let (token, span) = token.map_err(|fault| super::told(&fault))?;
        match token {
            Token::TemplateData(_) => {}
            Token::VariableEnd | Token::BlockEnd => {
                reader.tag(&tag).map_err(|message| format!("{message} (line {})", tag.first().map_or(span.start_line, |(_, at)| at.start_line)))?;
                tag.clear();
            }
            token => tag.push((token, span)),
        }
        if tag.len() > WORDS_MAX {
            return Err(format!("a tag of more than {WORDS_MAX} words; make it shorter (line {})", span.start_line));
        }
    }
    Ok(())
}

struct Looker<'a> {
    parameters: &'a [&'a str],
    /// Names that loops and `set` gave.
    named: Vec<String>,
    /// Open blocks: whether each is a loop.
    blocks: Vec<bool>,
    tags: usize,
    elifs: usize,
}

impl Looker<'_> {
    fn tag(&mut self, tag: &[(Token<'_>, Span)]) -> Result<(), String> {
        self.tags += 1;
        if self.tags > TAGS_MAX {
            return Err(format!("has more than {TAGS_MAX} tags"));
        }
        let words: Vec<&Token<'_>> = tag.iter().map(|(token, _)| token).collect();
        match words.as_slice() {
            [Token::VariableStart, rest @ ..] => self.expression(rest, Joins::Some),
            [Token::BlockStart, Token::Ident(word), rest @ ..] => self.block(word, rest),
            _ => Err(String::from("is a tag without a word")),
        }
    }

    fn block(&mut self, word: &str, rest: &[&Token<'_>]) -> Result<(), String> {
        match word {
            "if" => {
                self.begin(false)?;
                self.expression(rest, Joins::None)
            }
            "elif" => {
                self.elifs += 1;
                if self.elifs + self.blocks.len() > NESTING_MAX {
                    return Err(format!("more than {NESTING_MAX} conditions within each other or one behind the other"));
                }
                self.expression(rest, Joins::None)
            }
            "for" => {
                let [Token::Ident(name), Token::Ident("in"), rest @ ..] = rest else {
                    return Err(String::from("a loop is written {% for name in list %}, with one name"));
                };
                self.begin(true)?;
                self.name(name)?;
                // What is searched is the list behind `in`.
                let first = Token::Ident("in");
                let searched: Vec<&Token<'_>> = std::iter::once(&first).chain(rest.iter().copied()).collect();
                self.expression(&searched, Joins::None)
            }
            "set" => {
                let [Token::Ident(name), Token::Assign, rest @ ..] = rest else {
                    return Err(String::from("a value is named {% set name = value %}"));
                };
                if rest.iter().any(|token| matches!(token, Token::Pipe)) {
                    return Err(String::from("no filter stands in {% set %}: write it where the value is written out"));
                }
                self.name(name)?;
                self.expression(rest, Joins::None)
            }
            "else" if rest.is_empty() => Ok(()),
            "endif" | "endfor" if rest.is_empty() => {
                self.blocks.pop();
                Ok(())
            }
            other => Err(format!("{other:?} is no tag of templates; there are if, elif, else, for, set and raw")),
        }
    }

    fn begin(&mut self, looping: bool) -> Result<(), String> {
        self.blocks.push(looping);
        if self.blocks.len() > NESTING_MAX {
            return Err(format!("blocks are nested deeper than {NESTING_MAX}"));
        }
        if self.blocks.iter().filter(|looping| **looping).count() > LOOPS_MAX {
            return Err(format!("loops are nested deeper than {LOOPS_MAX}"));
        }
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        if KEYWORDS.contains(&name) || ["slipway", "loop"].contains(&name) || self.parameters.contains(&name) {
            return Err(format!("{name} means something already; choose another name"));
        }
        if self.named.len() >= 100 {
            return Err(String::from("more than 100 names"));
        }
        self.named.push(name.to_owned());
        Ok(())
    }

    /// The words of a value.
    fn expression(&self, words: &[&Token<'_>], joins: Joins) -> Result<(), String> {
        let mut open: Vec<Within> = Vec::new();
        let mut joined = 0;
        for (at, word) in words.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| words.get(at)).copied();
            match word {
                Token::Mul | Token::Pow => return Err(String::from("nothing is multiplied in a template")),
                Token::BraceOpen | Token::BraceClose => return Err(String::from("there are no maps in templates")),
                Token::Int128(_) => return Err(String::from("a number is too large")),
                Token::Assign | Token::Colon => return Err(String::from("`=` and `:` have no place here; to compare write ==")),
                Token::Tilde | Token::Plus => {
                    joined += 1;
                    if joins == Joins::None {
                        return Err(String::from("nothing is joined or added here: do it where the value is written out"));
                    }
                    if joined > JOINS_MAX {
                        return Err(format!("more than {JOINS_MAX} texts are joined in one tag"));
                    }
                }
                Token::BracketOpen => {
                    if !matches!(before, Some(Token::Ident("in"))) || open.contains(&Within::List) {
                        return Err(String::from("a list stands behind `in` alone, and never within another"));
                    }
                    open.push(Within::List);
                }
                Token::ParenOpen => open.push(Self::parenthesis(words, at)?),
                Token::BracketClose | Token::ParenClose => _ = open.pop(),
                Token::Comma if open.last().is_none_or(|within| *within == Within::Group) => {
                    return Err(String::from("a comma has no place here"));
                }
                Token::Ident(name) => self.ident(words, at, name)?,
                _ => {}
            }
            if open.len() > 10 {
                return Err(String::from("parentheses are nested deeper than 10"));
            }
        }
        Ok(())
    }

    /// What a parenthesis opens: the arguments of a filter, or a group.
    fn parenthesis(words: &[&Token<'_>], at: usize) -> Result<Within, String> {
        match (at.checked_sub(1).map(|at| words[at]), at.checked_sub(2).map(|at| words[at])) {
            (Some(Token::Ident(_)), Some(Token::Pipe)) => Ok(Within::Arguments),
            (Some(Token::Ident(word)), _) if !KEYWORDS.contains(word) => Err(format!("{word} cannot be called: there are no functions in templates")),
            (Some(Token::ParenClose | Token::BracketClose | Token::Str(_) | Token::String(_)), _) => {
                Err(String::from("nothing can be called: there are no functions in templates"))
            }
            _ => Ok(Within::Group),
        }
    }

    /// A word that is a name of something.
    fn ident(&self, words: &[&Token<'_>], at: usize, name: &str) -> Result<(), String> {
        let back = |steps: usize| at.checked_sub(steps).and_then(|at| words.get(at)).copied();
        match (back(1), back(2), back(3)) {
            (Some(Token::Pipe), _, _) => known("filter", name, &FILTERS),
            (Some(Token::Dot), Some(Token::Ident("slipway")), before) if !matches!(before, Some(Token::Dot)) => {
                known("part of slipway", name, &AROUND)
            }
            (Some(Token::Dot), Some(Token::Ident("loop")), _) => known("part of loop", name, &OF_LOOP),
            (Some(Token::Dot), Some(Token::Ident(_)), _) => known("part of it", name, &OF_ITEM),
            (Some(Token::Dot), _, _) => Err(format!("nothing has a part {name}")),
            (Some(Token::Ident("is")), _, _) if name != "not" => known("test", name, &TESTS),
            (Some(Token::Ident("not")), Some(Token::Ident("is")), _) => known("test", name, &TESTS),
            _ if KEYWORDS.contains(&name) || name == "slipway" || self.parameters.contains(&name) || self.named.iter().any(|one| one == name) => {
                Ok(())
            }
            _ if name == "loop" && self.blocks.contains(&true) => Ok(()),
            _ => {
                let mut all = self.parameters.to_vec();
                all.push("slipway");
                Err(format!("{name} is not there; there are {}", all.join(", ")))
            }
        }
    }
}

/// Whether texts may be joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joins {
    None,
    Some,
}

/// What a bracket or parenthesis holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    List,
    Group,
    Arguments,
}

fn known(what: &str, name: &str, all: &[&str]) -> Result<(), String> {
    if all.contains(&name) { Ok(()) } else { Err(format!("there is no {what} {name}; there are {}", all.join(", "))) }
}
