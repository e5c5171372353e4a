//! The core function library.

use super::XPathError;
use super::evaluate::Context;
use super::expression::{Axis, Expression, Function};
use super::value::{Value, XNode, text_to_number};

pub(super) fn call<'d>(
    context: Context<'_, 'd>,
    function: Function,
    arguments: &[Expression],
) -> Result<Value<'d>, XPathError> {
    let (name, takes) = function.signature();
    let wrong = XPathError::Arguments { function: name, takes };
    let text = |index: usize| context.value(&arguments[index]).map(|value| value.to_text());
    let own_text = || Ok(context.node.text().to_owned());
    Ok(match (function, arguments.len()) {
        (Function::True, 0) => Value::Boolean(true),
        (Function::False, 0) => Value::Boolean(false),
        (Function::Position, 0) => Value::Number(context.position as f64),
        (Function::Last, 0) => Value::Number(context.size as f64),
        (Function::Boolean, 1) => Value::Boolean(context.value(&arguments[0])?.to_boolean()),
        (Function::Not, 1) => Value::Boolean(!context.value(&arguments[0])?.to_boolean()),
        (Function::Lang, 1) => Value::Boolean(false),
        (Function::Number, 0) => Value::Number(text_to_number(context.node.text())),
        (Function::Number, 1) => Value::Number(context.value(&arguments[0])?.to_number()),
        (Function::Floor, 1) => Value::Number(context.value(&arguments[0])?.to_number().floor()),
        (Function::Ceiling, 1) => Value::Number(context.value(&arguments[0])?.to_number().ceil()),
        (Function::Round, 1) => {
            Value::Number((context.value(&arguments[0])?.to_number() + 0.5).floor())
        }
        (Function::Count, 1) => Value::Number(context.nodes(&arguments[0])?.len() as f64),
        (Function::Sum, 1) => {
            let nodes = context.nodes(&arguments[0])?;
            Value::Number(nodes.iter().map(|node| text_to_number(node.text())).sum())
        }
        (Function::Id, 1) => Value::Nodes(by_id(context, &arguments[0])?),
        (Function::Name | Function::LocalName, 0) => Value::Text(context.node.name().to_owned()),
        (Function::Name | Function::LocalName, 1) => {
            let nodes = context.nodes(&arguments[0])?;
            Value::Text(nodes.first().map_or("", |node| node.name()).to_owned())
        }
        (Function::NamespaceUri, 0 | 1) => Value::Text(String::new()),
        (Function::String, 0) => Value::Text(own_text()?),
        (Function::String, 1) => Value::Text(text(0)?),
        (Function::StringLength, 0) => Value::Number(own_text()?.chars().count() as f64),
        (Function::StringLength, 1) => Value::Number(text(0)?.chars().count() as f64),
        (Function::NormalizeSpace, 0) => Value::Text(normalize(&own_text()?)),
        (Function::NormalizeSpace, 1) => Value::Text(normalize(&text(0)?)),
        (Function::Concat, 2..) => {
            let parts: Result<Vec<String>, XPathError> = (0..arguments.len()).map(text).collect();
            let joined = parts?.concat();
            context.run.visit(joined.len() / 64)?;
            Value::Text(joined)
        }
        (Function::StartsWith, 2) => Value::Boolean(text(0)?.starts_with(&text(1)?)),
        (Function::Contains, 2) => Value::Boolean(text(0)?.contains(&text(1)?)),
        (Function::SubstringBefore, 2) => {
            let (whole, part) = (text(0)?, text(1)?);
            Value::Text(whole.split_once(&part).map_or("", |(before, _)| before).to_owned())
        }
        (Function::SubstringAfter, 2) => {
            let (whole, part) = (text(0)?, text(1)?);
            Value::Text(whole.split_once(&part).map_or("", |(_, after)| after).to_owned())
        }
        (Function::Substring, 2 | 3) => {
            let start = context.value(&arguments[1])?.to_number();
            let length = match arguments.get(2) {
                Some(length) => context.value(length)?.to_number(),
                None => f64::INFINITY,
            };
            Value::Text(substring(&text(0)?, start, length))
        }
        (Function::Translate, 3) => Value::Text(translate(&text(0)?, &text(1)?, &text(2)?)),
        _ => return Err(wrong),
    })
}

/// The elements whose id is among the words of a value.
fn by_id<'d>(
    context: Context<'_, 'd>,
    argument: &Expression,
) -> Result<Vec<XNode<'d>>, XPathError> {
    let text = match context.value(argument)? {
        Value::Nodes(nodes) => nodes.iter().map(|node| node.text()).collect::<Vec<_>>().join(" "),
        other => other.to_text(),
    };
    let words: std::collections::BTreeSet<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    super::axes::walk(context.run.document, Axis::Descendant, XNode::Root, &mut |node| {
        if node.element().and_then(|e| e.xml_id()).is_some_and(|id| words.contains(id)) {
            found.push(node);
        }
        context.run.visit(1).is_ok()
    });
    context.run.visit(0)?;
    Ok(found)
}

fn normalize(text: &str) -> String {
    text.split([' ', '\t', '\r', '\n'])
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn round(number: f64) -> f64 {
    (number + 0.5).floor()
}

/// Characters from a rounded position, counted from 1, over a rounded length.
fn substring(text: &str, start: f64, length: f64) -> String {
    let first = round(start);
    let end = first + round(length);
    let inside = |position: usize| {
        let position = position as f64;
        position >= first && position < end
    };
    text.chars().enumerate().filter(|(index, _)| inside(index + 1)).map(|(_, c)| c).collect()
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let mut table: std::collections::BTreeMap<char, Option<char>> = Default::default();
    let mut to = to.chars();
    for c in from.chars() {
        let replacement = to.next();
        table.entry(c).or_insert(replacement);
    }
    text.chars().filter_map(|c| table.get(&c).copied().unwrap_or(Some(c))).collect()
}
