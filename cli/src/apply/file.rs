//! The file: read, checked, and every mistake told with its line and column.

use crate::errors::plain;
use shared::config::{ConfigError, ServiceConfig, parse};
use std::io::ErrorKind;
use std::path::Path;

/// Reads a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<ServiceConfig>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => plain(
            format!("{name} does not exist"),
            "name another with -f, or let `flipback init` write one from the live services",
        ),
        ErrorKind::IsADirectory => plain(format!("{name} is a directory"), "name the file in it with -f"),
        ErrorKind::InvalidData => plain(format!("{name} is not UTF-8 text"), "save it as UTF-8"),
        _ => plain(format!("{name} cannot be read: {error}"), "check its permissions"),
    })?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(plain(
            format!("{name} is empty"),
            "let `flipback init --force` write it from the live services, or begin with `version: 1` and `services:`",
        ));
    }
    parse(&text).map_err(|error| plain(told(&name, &text, &error), "mend that line, then apply again"))
}

/// `FILE:LINE:COLUMN: what is wrong`.
fn told(name: &str, text: &str, error: &ConfigError) -> String {
    match error {
        ConfigError::Syntax { line, column, message } => {
            let message = side(text, *line, message).unwrap_or_else(|| clear(message).to_owned());
            format!("{name}:{line}:{column}: {message}")
        }
        ConfigError::Meaning { place, message } => match locate(text, place) {
            Some((line, column)) => format!("{name}:{line}:{column}: {place}: {message}"),
            None => format!("{name}: {place}: {message}"),
        },
    }
}

/// What the YAML reader says of alarms that are neither a list nor by side.
const NEITHER: &str = "data did not match any variant of untagged enum AlarmsTyped";

/// The sides that alarms can be on, as the file names them.
const SIDES: [&str; 3] = ["blue", "green", "both"];

/// A side of the alarms that is none, with the nearest one. The YAML reader does not tell which key it stumbled on, so the
/// lines from there on are searched.
fn side(text: &str, line: u64, message: &str) -> Option<String> {
    if message != NEITHER {
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    let first = usize::try_from(line).ok()?.saturating_sub(1);
    // In block style the reader points at the first side, in flow style at the brace behind `alarms:`.
    let from = (first.saturating_sub(1)..=first).find(|&n| lines.get(n).is_some_and(|line| is_alarms(line)))?;
    let inside =
        lines[from + 1..].iter().take_while(|line| line.trim().is_empty() || indent(line) > indent(lines[from]));
    let block: Vec<&str> = inside.copied().collect();
    let after = lines[from].split_once("alarms:").map_or("", |(_, rest)| rest);
    let keys = std::iter::once(after).chain(block).flat_map(keys_of);
    let found = keys.into_iter().find(|key| !SIDES.contains(key))?;
    let alike = |side: &str| side.chars().zip(found.chars()).filter(|(a, b)| a == b).count();
    let nearest = SIDES.into_iter().max_by_key(|side| alike(side))?;
    let meant = if alike(nearest) == 0 { ".".to_owned() } else { format!("; did you mean `{nearest}`?") };
    Some(format!("unknown side `{found}` of the alarms{meant} Known here: {}", SIDES.join(", ")))
}

fn is_alarms(line: &str) -> bool {
    line.trim_start().trim_start_matches("- ").trim_start().starts_with("alarms:")
}

/// The keys in a line: the words before a colon, outside of brackets.
fn keys_of(line: &str) -> Vec<&str> {
    let line = line.split_once(" #").map_or(line, |(text, _)| text);
    let (mut keys, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, c) in line.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '{' | ',' if depth == 0 => start = at + 1,
            ':' if depth == 0 => keys.push(line[start..at].trim().trim_matches(['"', '\''])),
            _ => {}
        }
    }
    keys
}

/// The YAML reader's own words where they would tell a person nothing.
fn clear(message: &str) -> &str {
    match message {
        NEITHER => "write the alarms as a list of names, or by side: { blue: [..], green: [..], both: [..] }",
        "expected string key for externally tagged enum" => {
            "one key is expected here: for tags { semver: \">=1.0.0\" }, { glob: \"release-*\" } or { exact: stable }; for \
             the engine `managed:`; for the strategy `canary:`, `blueGreen:` or `linear:`"
        }
        "invalid u8" => "write a whole number of percent, such as 10",
        "invalid u32" => "write a whole number, such as 20",
        "expected string scalar" => "a text is expected here, not a list or a map",
        other => other,
    }
}

/// Where a place such as `shop-api.engine.managed.routes` stands: the deepest part of it that is found. The parser keeps
/// no positions of what it has read, so the lines are searched.
fn locate(text: &str, place: &str) -> Option<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut parts = place.split('.').peekable();
    let first = parts.peek()?;
    let (mut from, mut to, mut found) = (0, lines.len(), None);
    if let Some((start, end, name)) = service(&lines, first) {
        parts.next();
        (from, to, found) = (start, end, Some(name));
    }
    // A repository's name may have dots: the rest is tried as a whole before it is split.
    let rest: Vec<&str> = parts.collect();
    let mut at = 0;
    while at < rest.len() {
        let taken =
            (at + 1..=rest.len()).rev().find_map(|end| Some((end, key(&lines, from, to, &rest[at..end].join("."))?)));
        let Some((end, position)) = taken else { break };
        from = position.0 - 1;
        found = Some(position);
        at = end;
    }
    found
}

/// The lines of the last service with this name (of two, the second is the mistake), and where the name stands.
fn service(lines: &[&str], name: &str) -> Option<(usize, usize, (usize, usize))> {
    let at = lines.iter().rposition(|line| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        value_of(line, "name").is_some_and(|value| value == name)
    })?;
    let starts_item = |line: &str| line.trim_start().starts_with("- ");
    let start = (0..=at).rev().find(|&n| starts_item(lines[n]) && indent(lines[n]) <= indent(lines[at]))?;
    let ends = |line: &str| {
        let text = line.trim_start();
        !text.is_empty() && !text.starts_with('#') && indent(line) <= indent(lines[start])
    };
    let end = (start + 1..lines.len()).find(|&n| ends(lines[n])).unwrap_or(lines.len());
    Some((start, end, (at + 1, column(lines[at], name))))
}

/// The first line of a range with this key, or with it as the repository.
fn key(lines: &[&str], from: usize, to: usize, key: &str) -> Option<(usize, usize)> {
    (from..to).find_map(|n| {
        let text = lines[n].split_once(" #").map_or(lines[n], |(text, _)| text);
        if text.trim_start().starts_with('#') {
            return None;
        }
        let trimmed = text.trim_start().trim_start_matches("- ").trim_start();
        let is_key = |text: &str| text.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
        let inside = text.find(&format!("{{ {key}:")).or_else(|| text.find(&format!(", {key}:"))).map(|at| at + 3);
        let here = is_key(trimmed).then(|| column(text, key));
        let repository = value_of(trimmed, "repository").filter(|value| *value == key).map(|_| column(text, key));
        here.or(inside).or(repository).map(|column| (n + 1, column))
    })
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
    let rest = rest.split_once(" #").map_or(rest, |(value, _)| value);
    Some(rest.trim().trim_matches(['"', '\'']))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The column of a word in its line, from 1.
fn column(line: &str, word: &str) -> usize {
    line.find(word).map_or(1, |at| line[..at].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture::FILE;

    fn error(from: &str, to: &str) -> String {
        assert!(FILE.contains(from), "{from}");
        let text = FILE.replacen(from, to, 1);
        told("flipback.yaml", &text, &parse(&text).expect_err(to))
    }

    #[test]
    fn every_mistake_has_its_line_and_what_to_do() {
        let all = [
            error("version: 1", "version: 2"),
            error("version: 1\n", ""),
            error("services:", "service:"),
            error("    standby: 10m", "    standby: ten minutes"),
            error("    standby: 10m", "    standbye: 10m"),
            error("    standby: 10m", "    standby: 50h"),
            error("    standby: 10m", "    standby: 10m\n    keepRevisions: 1"),
            error("    standby: 10m", "    standby: 10m\n    mode: watch"),
            error("    standby: 10m", "    standby: [10m"),
            error("    standby: 10m", "    standby: 10m\n    onNewPush: replace"),
            error("name: shop-api", "name: shop api"),
            error("cluster: production", "cluster: arn:aws:ecs:us-east-1:1:cluster/production"),
            error("repository: shop-api", "repository: shop-api:v1"),
            error("semver: \">=1.0.0\"", "semver: \"about 1\""),
            error("semver: \">=1.0.0\"", "glob: \"release-[\""),
            error("semver: \">=1.0.0\"", "exact: \"\""),
            error("semver: \">=1.0.0\"", "range: \">=1.0.0\""),
            error("blue: shop-api-blue", "blue: shop-api-green"),
            error("managed:", "native:"),
            error("listener-rule/app/shop/1/2/3", "targetgroup/shop/1"),
            error("weight: 10", "weight: 60"),
            error("weight: 10", "weight: 1000"),
            error("canary:", "canaries:"),
            error("    alarms: [ shop-api-5xx ]", "    alarms: { red: [ shop-api-5xx ] }"),
            error("    alarms: [ shop-api-5xx ]", "    alarms: { blue: [ a ], gren: [ \"b: c\" ] }"),
            error("    alarms: [ shop-api-5xx ]", "    alarms:\n      blu: [ a ]\n      green: [ b ]"),
            error("    alarms: [ shop-api-5xx ]", "    alarms: 3"),
            error("tags: { semver: \">=1.0.0\" }", "tags: {}"),
            error("    images:\n      - repository: shop-api\n        tags: { semver: \">=1.0.0\" }\n", ""),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn of_two_services_the_second_is_pointed_at() {
        let second = FILE.split_once("services:\n").unwrap().1;
        let text = format!("{FILE}{second}");
        let told = told("f.yaml", &text, &parse(&text).unwrap_err());
        let line = FILE.lines().count() + 1;
        assert!(told.starts_with(&format!("f.yaml:{line}:")), "{told}");
    }

    #[test]
    fn a_key_is_found_in_its_own_service() {
        let other =
            FILE.split_once("services:\n").unwrap().1.replace("shop-api", "other").replace("shop/1/2/3", "shop/1/2/4");
        let text = format!("{FILE}{other}");
        let (line, column) = locate(&text, "other.standby").unwrap();
        assert_eq!((line, column), (text.lines().count(), 5));
        assert_eq!(locate(&text, "shop-api.standby").unwrap().0, FILE.lines().count());
        assert_eq!(locate(&text, "nothing.here"), None);
    }

    #[test]
    fn an_empty_file_and_a_directory_are_called_that() {
        let dir = tempfile::TempDir::new().unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("is a directory"));
        let path = dir.path().join("empty.yaml");
        std::fs::write(&path, "\n# nothing yet\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is empty"));
    }

    #[test]
    fn a_file_that_is_not_there_says_how_to_get_one() {
        assert!(read(Path::new("/nonexistent/flipback.yaml")).unwrap_err().to_string().contains("does not exist"));
    }
}
