//! The tree of an expression.

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Literal(String),
    Number(f64),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Negate(Box<Expression>),
    Union(Box<Expression>, Box<Expression>),
    Call(Function, Vec<Expression>),
    Path(Path),
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub start: Start,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Start {
    Context,
    Root,
    /// The nodes of an expression that pass its predicates.
    Filter(Box<Expression>, Vec<Expression>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub axis: Axis,
    pub test: NodeTest,
    pub predicates: Vec<Expression>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Namespace,
    Parent,
    Preceding,
    PrecedingSibling,
    ThisNode,
}

impl Axis {
    pub(super) fn named(name: &str) -> Option<Axis> {
        Some(match name {
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "attribute" => Axis::Attribute,
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "following" => Axis::Following,
            "following-sibling" => Axis::FollowingSibling,
            "namespace" => Axis::Namespace,
            "parent" => Axis::Parent,
            "preceding" => Axis::Preceding,
            "preceding-sibling" => Axis::PrecedingSibling,
            "self" => Axis::ThisNode,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeTest {
    Name(String),
    Any,
    Node,
    Comment,
    /// `text()` and `processing-instruction()`: a CIB has neither.
    Nothing,
}

macro_rules! functions {
    ($($variant:ident = $name:literal, $takes:literal;)+) => {
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        pub(super) enum Function {
            $($variant,)+
        }

        impl Function {
            pub(super) fn named(name: &str) -> Option<Function> {
                match name {
                    $($name => Some(Function::$variant),)+
                    _ => None,
                }
            }

            /// The name, and the arguments it takes.
            pub(super) fn signature(self) -> (&'static str, &'static str) {
                match self {
                    $(Function::$variant => ($name, $takes),)+
                }
            }
        }
    };
}

functions! {
    Boolean = "boolean", "one value";
    Ceiling = "ceiling", "one number";
    Concat = "concat", "two or more strings";
    Contains = "contains", "two strings";
    Count = "count", "nodes";
    False = "false", "nothing";
    Floor = "floor", "one number";
    Id = "id", "one value";
    Lang = "lang", "one string";
    Last = "last", "nothing";
    LocalName = "local-name", "nodes or nothing";
    Name = "name", "nodes or nothing";
    NamespaceUri = "namespace-uri", "nodes or nothing";
    NormalizeSpace = "normalize-space", "one string or nothing";
    Not = "not", "one value";
    Number = "number", "one value or nothing";
    Position = "position", "nothing";
    Round = "round", "one number";
    StartsWith = "starts-with", "two strings";
    String = "string", "one value or nothing";
    StringLength = "string-length", "one string or nothing";
    Substring = "substring", "a string and one or two numbers";
    SubstringAfter = "substring-after", "two strings";
    SubstringBefore = "substring-before", "two strings";
    Sum = "sum", "nodes";
    Translate = "translate", "three strings";
    True = "true", "nothing";
}

impl Expression {
    /// Whether, as a predicate, it may depend on the position of a node among its fellows.
    pub(super) fn is_positional(&self) -> bool {
        self.may_be_number() || self.asks_position()
    }

    fn may_be_number(&self) -> bool {
        match self {
            Expression::Number(_) | Expression::Negate(_) => true,
            Expression::Binary(operator, _, _) => matches!(
                operator,
                Operator::Add
                    | Operator::Subtract
                    | Operator::Multiply
                    | Operator::Divide
                    | Operator::Modulo
            ),
            Expression::Call(function, _) => matches!(
                function,
                Function::Ceiling
                    | Function::Count
                    | Function::Floor
                    | Function::Last
                    | Function::Number
                    | Function::Position
                    | Function::Round
                    | Function::StringLength
                    | Function::Sum
            ),
            Expression::Literal(_) | Expression::Union(_, _) | Expression::Path(_) => false,
        }
    }

    fn asks_position(&self) -> bool {
        match self {
            Expression::Literal(_) | Expression::Number(_) => false,
            Expression::Binary(_, left, right) | Expression::Union(left, right) => {
                left.asks_position() || right.asks_position()
            }
            Expression::Negate(inner) => inner.asks_position(),
            Expression::Call(Function::Position | Function::Last, _) => true,
            Expression::Call(_, arguments) => arguments.iter().any(Expression::asks_position),
            // Predicates inside a path have positions of their own.
            Expression::Path(path) => match &path.start {
                Start::Filter(inner, _) => inner.asks_position(),
                Start::Context | Start::Root => false,
            },
        }
    }
}
