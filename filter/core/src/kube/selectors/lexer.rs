//! Tokens of label selectors, as k8s.io/apimachinery/pkg/labels cuts them.

/// One token. Operators carry no text; words that could be operators (`in`, `notin`) are identifiers to the lexer, and
/// the parser decides by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    End,
    Open,
    Close,
    Comma,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    Word(&'a str),
}

impl<'a> Token<'a> {
    /// The text as messages show it.
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::End => "",
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Not => "!",
            Self::Equals => "=",
            Self::DoubleEquals => "==",
            Self::NotEquals => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::Word(word) => word,
        }
    }
}

/// Cuts tokens off the front of what is left.
#[derive(Clone, Copy)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { rest: input }
    }

    /// The next token, which stays.
    pub(super) fn peek(&self) -> Token<'a> {
        let mut ahead = *self;
        ahead.next()
    }

    /// The next token; [`Token::End`] for ever after the last.
    pub(super) fn next(&mut self) -> Token<'a> {
        const SYMBOLS: [(&str, Token<'static>); 9] = [
            ("==", Token::DoubleEquals),
            ("!=", Token::NotEquals),
            ("=", Token::Equals),
            ("!", Token::Not),
            ("(", Token::Open),
            (")", Token::Close),
            (",", Token::Comma),
            (">", Token::Greater),
            ("<", Token::Less),
        ];
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        for (text, token) in SYMBOLS {
            if let Some(rest) = self.rest.strip_prefix(text) {
                self.rest = rest;
                return token;
            }
        }
        let end = self.rest.find([' ', '\t', '\r', '\n', '=', '!', '(', ')', ',', '>', '<']);
        let (word, rest) = end.and_then(|at| self.rest.split_at_checked(at)).unwrap_or((self.rest, ""));
        self.rest = rest;
        if word.is_empty() { Token::End } else { Token::Word(word) }
    }
}
