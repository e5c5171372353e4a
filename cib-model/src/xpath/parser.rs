//! Reading an expression by recursive descent.

use super::XPathError;
use super::expression::{Axis, Expression, Function, NodeTest, Operator, Path, Start, Step};
use super::lexer::{Token, tokens};

/// Brackets within brackets.
const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Expression, XPathError> {
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens, next: 0, end, depth: 0 };
    let expression = parser.expression()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.error("an operator or the end")),
    }
}

struct Parser<'t> {
    tokens: Vec<(usize, Token<'t>)>,
    next: usize,
    end: usize,
    depth: usize,
}

/// Binary operators by precedence, loosest first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[("=", Operator::Equal), ("!=", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("multiply", Operator::Multiply), ("div", Operator::Divide), ("mod", Operator::Modulo)],
];

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&Token<'t>> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Token<'t>> {
        self.tokens.get(self.next + ahead).map(|(_, token)| token)
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str, expected: &'static str) -> Result<(), XPathError> {
        if self.eat(symbol) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn error(&self, expected: &'static str) -> XPathError {
        let at = self.tokens.get(self.next).map_or(self.end, |&(at, _)| at);
        XPathError::Syntax { at, expected }
    }

    fn expression(&mut self) -> Result<Expression, XPathError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("brackets at most 64 deep"));
        }
        let expression = self.binary(0);
        self.depth -= 1;
        expression
    }

    fn binary(&mut self, level: usize) -> Result<Expression, XPathError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        let mut length = 0;
        while let Some(&(_, operator)) = operators.iter().find(|(symbol, _)| self.is(symbol)) {
            self.next += 1;
            length += 1;
            if length > 1000 {
                return Err(self.error("at most 1000 operators in a row"));
            }
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, XPathError> {
        let mut negative = false;
        while self.eat("-") {
            negative = !negative;
        }
        let mut union = self.path()?;
        let mut length = 0;
        while self.eat("|") {
            length += 1;
            if length > 1000 {
                return Err(self.error("at most 1000 alternatives"));
            }
            union = Expression::Union(Box::new(union), Box::new(self.path()?));
        }
        Ok(if negative { Expression::Negate(Box::new(union)) } else { union })
    }

    fn path(&mut self) -> Result<Expression, XPathError> {
        if let Some(primary) = self.primary()? {
            let predicates = self.predicates()?;
            if predicates.is_empty() && !self.is("/") && !self.is("//") {
                return Ok(primary);
            }
            let mut steps = Vec::new();
            self.more_steps(&mut steps)?;
            let start = Start::Filter(Box::new(primary), predicates);
            return Ok(Expression::Path(Path { start, steps }));
        }
        let mut steps = Vec::new();
        let start = if self.is("/") || self.is("//") {
            if self.is("//") {
                self.more_steps(&mut steps)?;
            } else {
                self.next += 1;
                if self.starts_step() {
                    steps.push(self.step()?);
                    self.more_steps(&mut steps)?;
                }
            }
            Start::Root
        } else {
            steps.push(self.step()?);
            self.more_steps(&mut steps)?;
            Start::Context
        };
        Ok(Expression::Path(Path { start, steps }))
    }

    /// Literal, number, bracketed expression or function call.
    fn primary(&mut self) -> Result<Option<Expression>, XPathError> {
        let expression = match self.peek() {
            Some(Token::Literal(text)) => Expression::Literal((*text).to_owned()),
            Some(Token::Number(number)) => Expression::Number(*number),
            Some(Token::Symbol("(")) => {
                self.next += 1;
                let inner = self.expression()?;
                self.expect(")", "a closing bracket")?;
                return Ok(Some(inner));
            }
            Some(Token::Symbol("$")) => return Err(self.error("no variables: none are defined")),
            Some(Token::Name(name))
                if self.peek_at(1) == Some(&Token::Symbol("(")) && !is_node_type(name) =>
            {
                let name = (*name).to_owned();
                let Some(function) = Function::named(&name) else {
                    return Err(XPathError::UnknownFunction(name));
                };
                self.next += 2;
                return Ok(Some(Expression::Call(function, self.arguments()?)));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(expression))
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, XPathError> {
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.eat(",") {
                self.expect(")", "a comma or closing bracket")?;
                return Ok(arguments);
            }
        }
    }

    fn predicates(&mut self) -> Result<Vec<Expression>, XPathError> {
        let mut predicates = Vec::new();
        while self.eat("[") {
            predicates.push(self.expression()?);
            self.expect("]", "a closing square bracket")?;
        }
        Ok(predicates)
    }

    fn starts_step(&self) -> bool {
        matches!(self.peek(), Some(Token::Name(_) | Token::Symbol("@" | "." | ".." | "*")))
    }

    fn more_steps(&mut self, steps: &mut Vec<Step>) -> Result<(), XPathError> {
        loop {
            if self.eat("//") {
                let mut step = self.step()?;
                // `//x` is short for `/descendant-or-self::node()/child::x`, which is `descendant::x`
                // unless positions count.
                if step.axis == Axis::Child
                    && !step.predicates.iter().any(Expression::is_positional)
                {
                    step.axis = Axis::Descendant;
                } else {
                    steps.push(Step {
                        axis: Axis::DescendantOrSelf,
                        test: NodeTest::Node,
                        predicates: Vec::new(),
                    });
                }
                steps.push(step);
            } else if self.eat("/") {
                steps.push(self.step()?);
            } else {
                return Ok(());
            }
        }
    }

    fn step(&mut self) -> Result<Step, XPathError> {
        for (symbol, axis) in [(".", Axis::ThisNode), ("..", Axis::Parent)] {
            if self.eat(symbol) {
                return Ok(Step { axis, test: NodeTest::Node, predicates: Vec::new() });
            }
        }
        let axis = if self.eat("@") {
            Axis::Attribute
        } else if self.peek_at(1) == Some(&Token::Symbol("::")) {
            let axis = match self.peek() {
                Some(Token::Name(name)) => Axis::named(name),
                _ => None,
            };
            let axis = axis.ok_or_else(|| self.error("the name of an axis"))?;
            self.next += 2;
            axis
        } else {
            Axis::Child
        };
        let test = self.node_test()?;
        Ok(Step { axis, test, predicates: self.predicates()? })
    }

    fn node_test(&mut self) -> Result<NodeTest, XPathError> {
        if self.eat("*") {
            return Ok(NodeTest::Any);
        }
        let Some(Token::Name(name)) = self.peek() else {
            return Err(self.error("the name of an element or attribute, or *"));
        };
        let name = (*name).to_owned();
        self.next += 1;
        if !is_node_type(&name) || !self.eat("(") {
            return Ok(NodeTest::Name(name));
        }
        if name == "processing-instruction" && matches!(self.peek(), Some(Token::Literal(_))) {
            self.next += 1;
        }
        self.expect(")", "a closing bracket")?;
        Ok(match name.as_str() {
            "node" => NodeTest::Node,
            "comment" => NodeTest::Comment,
            _ => NodeTest::Nothing,
        })
    }
}

fn is_node_type(name: &str) -> bool {
    matches!(name, "node" | "comment" | "text" | "processing-instruction")
}
