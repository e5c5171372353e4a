//! Tokens of an expression.

use super::XPathError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    Name(&'t str),
    Literal(&'t str),
    Number(f64),
    /// Brackets, operators and separators; names of operators, too, where they are operators.
    Symbol(&'static str),
}

const SYMBOLS: [&str; 22] = [
    "//", "::", "..", "!=", "<=", ">=", "/", "|", "+", "-", "=", "<", ">", "(", ")", "[", "]", "@",
    ",", ".", "*", "$",
];

/// Tokens with the character at which each begins, from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, XPathError> {
    let mut tokens: Vec<(usize, Token<'_>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let place = text[..at].chars().count() + 1;
        let (token, len) = if first == '"' || first == '\'' {
            let inner = &rest[1..];
            let end = inner
                .find(first)
                .ok_or(XPathError::Syntax { at: place, expected: "a closing quotation mark" })?;
            (Token::Literal(&inner[..end]), end + 2)
        } else if first.is_ascii_digit() || is_decimal_point(rest) {
            let len = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let number = rest[..len]
                .parse()
                .map_err(|_| XPathError::Syntax { at: place, expected: "a number" })?;
            (Token::Number(number), len)
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            let operator =
                if symbol == "*" && operator_is_due(&tokens) { "multiply" } else { symbol };
            (Token::Symbol(operator), symbol.len())
        } else {
            let len = name_len(rest);
            if len == 0 {
                return Err(XPathError::Syntax { at: place, expected: "a name or operator" });
            }
            let name = &rest[..len];
            let operator = ["and", "or", "div", "mod"].into_iter().find(|word| *word == name);
            match operator.filter(|_| operator_is_due(&tokens)) {
                Some(operator) => (Token::Symbol(operator), len),
                None => (Token::Name(name), len),
            }
        };
        tokens.push((place, token));
        rest = &rest[len..];
    }
}

fn is_decimal_point(text: &str) -> bool {
    text.starts_with('.') && text[1..].starts_with(|c: char| c.is_ascii_digit())
}

/// Whether `*` or a word can only be an operator here (XPath 1.0 §3.7).
fn operator_is_due(before: &[(usize, Token<'_>)]) -> bool {
    match before.last() {
        None => false,
        Some((_, Token::Symbol(symbol))) => matches!(*symbol, ")" | "]" | ".." | "." | "*"),
        Some(_) => true,
    }
}

fn name_len(text: &str) -> usize {
    let mut len = 0;
    for c in text.chars() {
        let inside = c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let first = c.is_alphabetic() || c == '_';
        // A colon belongs to the name where a prefix goes on, and not before an axis' "::".
        let colon = c == ':'
            && len > 0
            && !text[len..].starts_with("::")
            && text[len + 1..].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !(if len == 0 { first } else { inside || colon }) {
            break;
        }
        len += c.len_utf8();
    }
    len
}
