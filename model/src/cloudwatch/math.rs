//! Metric math: a small expression evaluator.
//!
//! Numbers, ids, `+ - * / ^`, comparisons, `&& ||` (also AND, OR), brackets, lists in `[ ]`, and FILL, IF, SUM, AVG, MIN,
//! MAX, ABS, CEIL, FLOOR, PERIOD, RATE, DIFF, METRICS. A division by zero gives no datapoint.

use std::collections::BTreeMap;

use crate::Millis;

/// Values by time.
pub(super) type Points = BTreeMap<Millis, f64>;

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Name(String),
    List(Vec<Node>),
    Binary(&'static str, Box<Node>, Box<Node>),
    Call(String, Vec<Node>),
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    root: Node,
}

#[derive(Debug, Clone)]
enum Val {
    Scalar(f64),
    Series(Points),
    List(Vec<Points>),
}

const LEVELS: [&[&str]; 5] =
    [&["||", "OR"], &["&&", "AND"], &["<=", ">=", "==", "!=", "<", ">"], &["+", "-"], &["*", "/"]];

struct Parser<'a> {
    left: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        self.left = self.left.trim_start();
        let word = token.chars().all(|c| c.is_ascii_alphabetic());
        match self.left.strip_prefix(token) {
            Some(rest) if !word || !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') => {
                self.left = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn level(&mut self, level: usize) -> Result<Node, String> {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let mut node = self.level(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = self.level(level + 1)?;
            node = Node::Binary(operator, Box::new(node), Box::new(right));
        }
        Ok(node)
    }

    fn power(&mut self) -> Result<Node, String> {
        if self.take("-") {
            let right = self.power()?;
            return Ok(Node::Binary("-", Box::new(Node::Number(0.0)), Box::new(right)));
        }
        let node = self.atom()?;
        if self.take("^") {
            let right = self.power()?;
            return Ok(Node::Binary("^", Box::new(node), Box::new(right)));
        }
        Ok(node)
    }

    fn items(&mut self, end: &str) -> Result<Vec<Node>, String> {
        let mut items = Vec::new();
        while !self.take(end) {
            if !items.is_empty() && !self.take(",") {
                return Err(format!("expected , or {end} before '{}'", self.left));
            }
            items.push(self.level(0)?);
        }
        Ok(items)
    }

    fn atom(&mut self) -> Result<Node, String> {
        if self.take("(") {
            let node = self.level(0)?;
            return if self.take(")") { Ok(node) } else { Err("expected )".to_owned()) };
        }
        if self.take("[") {
            return Ok(Node::List(self.items("]")?));
        }
        let number = self.left.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.left.len());
        if number > 0 {
            let (text, rest) = self.left.split_at(number);
            self.left = rest;
            return text.parse().map(Node::Number).map_err(|_| format!("not a number: {text}"));
        }
        let word = self.left.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.left.len());
        let (name, rest) = self.left.split_at(word);
        if name.is_empty() {
            return Err(format!("not understood: '{}'", self.left));
        }
        let name = name.to_owned();
        self.left = rest;
        if self.take("(") {
            let known =
                ["FILL", "IF", "SUM", "AVG", "MIN", "MAX", "ABS", "CEIL", "FLOOR", "PERIOD", "RATE", "DIFF", "METRICS"];
            let upper = name.to_ascii_uppercase();
            if !known.contains(&upper.as_str()) {
                return Err(format!("the function {name} is not in this local cloud"));
            }
            return Ok(Node::Call(upper, self.items(")")?));
        }
        Ok(Node::Name(name))
    }
}

fn apply(operator: &str, a: f64, b: f64) -> Option<f64> {
    let truth = |holds: bool| Some(f64::from(u8::from(holds)));
    match operator {
        "+" => Some(a + b),
        "-" => Some(a - b),
        "*" => Some(a * b),
        "/" => (b != 0.0).then(|| a / b),
        "^" => Some(a.powf(b)),
        "<" => truth(a < b),
        ">" => truth(a > b),
        "<=" => truth(a <= b),
        ">=" => truth(a >= b),
        "==" => truth(a == b),
        "!=" => truth(a != b),
        "&&" | "AND" => truth(a != 0.0 && b != 0.0),
        _ => truth(a != 0.0 || b != 0.0),
    }
}

fn binary(operator: &str, a: Val, b: Val) -> Result<Val, String> {
    let keep = |points: Points, f: &dyn Fn(f64) -> Option<f64>| {
        Val::Series(points.into_iter().filter_map(|(at, value)| Some((at, f(value)?))).collect())
    };
    Ok(match (a, b) {
        (Val::Scalar(a), Val::Scalar(b)) => Val::Scalar(apply(operator, a, b).ok_or("division by zero")?),
        (Val::Series(a), Val::Scalar(b)) => keep(a, &|a| apply(operator, a, b)),
        (Val::Scalar(a), Val::Series(b)) => keep(b, &|b| apply(operator, a, b)),
        (Val::Series(a), Val::Series(b)) => {
            Val::Series(a.into_iter().filter_map(|(at, a)| Some((at, apply(operator, a, *b.get(&at)?)?))).collect())
        }
        (Val::List(a), b) => {
            let each = a.into_iter().map(|a| binary(operator, Val::Series(a), b.clone()).and_then(series));
            Val::List(each.collect::<Result<_, _>>()?)
        }
        (a, Val::List(b)) => {
            let each = b.into_iter().map(|b| binary(operator, a.clone(), Val::Series(b)).and_then(series));
            Val::List(each.collect::<Result<_, _>>()?)
        }
    })
}

fn series(value: Val) -> Result<Points, String> {
    match value {
        Val::Series(points) => Ok(points),
        Val::Scalar(_) | Val::List(_) => Err("expected one time series".to_owned()),
    }
}

fn fold(name: &str, values: &[f64]) -> f64 {
    match name {
        "AVG" => values.iter().sum::<f64>() / values.len() as f64,
        "MIN" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "MAX" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => values.iter().sum(),
    }
}

struct Runner<'a> {
    named: &'a BTreeMap<String, Points>,
    ticks: &'a [Millis],
    step: Millis,
}

impl Runner<'_> {
    fn eval(&self, node: &Node) -> Result<Val, String> {
        Ok(match node {
            Node::Number(number) => Val::Scalar(*number),
            Node::Name(name) => Val::Series(self.named.get(name).cloned().ok_or(format!("undefined variable {name}"))?),
            Node::List(items) => {
                let all = items.iter().map(|item| self.eval(item).and_then(series));
                Val::List(all.collect::<Result<_, _>>()?)
            }
            Node::Binary(operator, a, b) => binary(operator, self.eval(a)?, self.eval(b)?)?,
            Node::Call(name, arguments) => {
                let values = arguments.iter().map(|argument| self.eval(argument)).collect::<Result<Vec<_>, _>>()?;
                self.function(name, values)?
            }
        })
    }

    fn function(&self, name: &str, mut values: Vec<Val>) -> Result<Val, String> {
        let wants = match name {
            "IF" => 2..=3,
            "FILL" => 2..=2,
            "METRICS" => 0..=1,
            _ => 1..=1,
        };
        if !wants.contains(&values.len()) {
            return Err(format!("{name} has the wrong number of arguments"));
        }
        if name == "METRICS" {
            return Ok(Val::List(self.named.values().cloned().collect()));
        }
        let first = values.remove(0);
        Ok(match (name, first) {
            ("FILL", Val::Series(points)) => {
                let at_tick = |at: &Millis| match &values[0] {
                    Val::Scalar(number) => Some(*number),
                    Val::Series(other) => other.get(at).copied(),
                    Val::List(_) => None,
                };
                let filled = self.ticks.iter();
                Val::Series(
                    filled.filter_map(|at| Some((*at, points.get(at).copied().or_else(|| at_tick(at))?))).collect(),
                )
            }
            ("IF", condition) => self.choose(condition, &values),
            ("SUM" | "AVG" | "MIN" | "MAX", Val::List(list)) => {
                let mut by_time: BTreeMap<Millis, Vec<f64>> = BTreeMap::new();
                for (at, value) in list.into_iter().flatten() {
                    by_time.entry(at).or_default().push(value);
                }
                Val::Series(by_time.into_iter().map(|(at, values)| (at, fold(name, &values))).collect())
            }
            ("SUM" | "AVG" | "MIN" | "MAX", Val::Series(points)) => {
                let values: Vec<f64> = points.into_values().collect();
                if values.is_empty() { Val::Series(Points::new()) } else { Val::Scalar(fold(name, &values)) }
            }
            ("PERIOD", _) => Val::Scalar(self.step as f64 / 1_000.0),
            ("RATE" | "DIFF", Val::Series(points)) => {
                let pairs = points.iter().zip(points.iter().skip(1));
                let seconds = |a: &Millis, b: &Millis| if name == "RATE" { (b - a) as f64 / 1_000.0 } else { 1.0 };
                Val::Series(pairs.map(|((at, a), (bt, b))| (*bt, (b - a) / seconds(at, bt))).collect())
            }
            ("ABS" | "CEIL" | "FLOOR", first) => {
                let f = |value: f64| match name {
                    "ABS" => value.abs(),
                    "CEIL" => value.ceil(),
                    _ => value.floor(),
                };
                match first {
                    Val::Scalar(value) => Val::Scalar(f(value)),
                    Val::Series(points) => Val::Series(points.into_iter().map(|(at, value)| (at, f(value))).collect()),
                    Val::List(_) => return Err(format!("{name} does not take a list")),
                }
            }
            (_, first @ (Val::Scalar(_) | Val::Series(_) | Val::List(_))) => match first {
                Val::Scalar(value) => Val::Scalar(value),
                Val::Series(_) | Val::List(_) => return Err(format!("{name} does not take such an argument")),
            },
        })
    }

    fn choose(&self, condition: Val, branches: &[Val]) -> Val {
        let branch = |holds: bool| if holds { branches.first() } else { branches.get(1) };
        match condition {
            Val::Scalar(value) => branch(value != 0.0).cloned().unwrap_or(Val::Series(Points::new())),
            Val::List(_) => Val::Series(Points::new()),
            Val::Series(points) => Val::Series(
                points
                    .into_iter()
                    .filter_map(|(at, value)| match branch(value != 0.0)? {
                        Val::Scalar(number) => Some((at, *number)),
                        Val::Series(points) => Some((at, *points.get(&at)?)),
                        Val::List(_) => None,
                    })
                    .collect(),
            ),
        }
    }
}

fn collect<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
    match node {
        Node::Number(_) => {}
        Node::Name(name) => names.push(name),
        Node::List(items) | Node::Call(_, items) => items.iter().for_each(|item| collect(item, names)),
        Node::Binary(_, a, b) => {
            collect(a, names);
            collect(b, names);
        }
    }
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Expression, String> {
        let mut parser = Parser { left: text };
        let root = parser.level(0)?;
        match parser.left.trim() {
            "" => Ok(Expression { root }),
            rest => Err(format!("not understood: '{rest}'")),
        }
    }

    /// The ids it names.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect(&self.root, &mut names);
        names
    }

    /// Its points on the grid `ticks` of `step`; a scalar result stands at every tick.
    pub(super) fn run(
        &self,
        named: &BTreeMap<String, Points>,
        ticks: &[Millis],
        step: Millis,
    ) -> Result<Points, String> {
        match (Runner { named, ticks, step }).eval(&self.root)? {
            Val::Scalar(value) => Ok(ticks.iter().map(|at| (*at, value)).collect()),
            Val::Series(points) => Ok(points),
            Val::List(_) => Err("an expression must give one time series".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Vec<(Millis, f64)> {
        let named: BTreeMap<String, Points> = [
            ("m1".to_owned(), [(0, 5.0), (20, 2.0)].into()),
            ("m2".to_owned(), [(0, 50.0), (10, 10.0), (20, 0.0)].into()),
        ]
        .into();
        let points = Expression::parse(text).expect("parses").run(&named, &[0, 10, 20], 10).expect("runs");
        points.into_iter().collect()
    }

    #[test]
    fn ratios_are_taken_where_both_have_data_and_never_by_zero() {
        assert_eq!(run("m1/m2*100"), [(0, 10.0)]);
        assert_eq!(run("100*FILL(m1,0)/m2"), [(0, 10.0), (10, 0.0)]);
    }

    #[test]
    fn if_chooses_by_time() {
        assert_eq!(run("IF(m2>0,100*FILL(m1,0)/m2,0)"), [(0, 10.0), (10, 0.0), (20, 0.0)]);
        assert_eq!(run("IF(m2 >= 10 AND m1 > 0, 1, 7)"), [(0, 1.0), (20, 7.0)]);
    }

    #[test]
    fn sums_go_over_lists_by_time_and_over_series_to_one_number() {
        assert_eq!(run("SUM([m1,m2])"), [(0, 55.0), (10, 10.0), (20, 2.0)]);
        assert_eq!(run("SUM(METRICS())"), [(0, 55.0), (10, 10.0), (20, 2.0)]);
        assert_eq!(run("m1 - -2^2 * 0 + SUM(m1)"), [(0, 12.0), (20, 9.0)]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["m1 +", "SUM(m1", "BOGUS(m1)", "m1 m2", ""] {
            assert!(Expression::parse(text).is_err(), "{text} was accepted");
        }
    }
}
