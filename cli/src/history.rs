//! `flipback history`: what was done and why.

use crate::args;
use crate::installation::Installation;
use crate::output::{Out, Paint};
use crate::run::Exit;
use serde_json::{Value, json};
use shared::ids::ServiceName;
use shared::ports::HistoryEntry;

/// Runs the command.
pub(crate) async fn run(args: &args::History, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let service = ServiceName::from(args.service.as_str());
    let entries = installation.table.history(&service, usize::from(args.limit), None).await?;
    if entries.is_empty() {
        // A service that was removed keeps its history; one that never was is a mistake.
        installation.record(&service).await?;
    }
    let documents: Vec<Value> = entries.iter().map(|entry| document(entry, args.inputs)).collect();
    out.document(&json!({"service": service, "entries": documents}), |paint| text(&entries, paint));
    Ok(Exit::Done)
}

fn document(entry: &HistoryEntry, inputs: bool) -> Value {
    let mut document = json!({"at": entry.at.to_string(), "rollout": entry.rollout, "line": entry.line});
    if inputs {
        document["inputs"] = entry.inputs.clone().unwrap_or_default();
    }
    document
}

pub(crate) fn text(entries: &[HistoryEntry], paint: Paint) -> String {
    if entries.is_empty() {
        return "nothing has happened yet".to_owned();
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![entry.at.to_string(), entry.rollout.clone().unwrap_or_else(|| "-".to_owned()), entry.line.clone()]
        })
        .collect();
    crate::output::columns(paint, &["TIME", "ROLLOUT", "WHAT"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::Time;

    fn entries() -> [HistoryEntry; 2] {
        let entry = |at, rollout: Option<&str>, line: &str| HistoryEntry {
            at: Time(at),
            rollout: rollout.map(str::to_owned),
            line: line.to_owned(),
            inputs: Some(json!({"status": {}})),
        };
        [
            entry(1_760_000_060_000, Some("shop-api-17"), "baking 10 %"),
            entry(1_760_000_000_000, None, "tag main refused"),
        ]
    }

    #[test]
    fn history_is_a_line_each() {
        insta::assert_snapshot!(text(&entries(), Paint(false)));
        assert_eq!(text(&[], Paint(false)), "nothing has happened yet");
    }

    #[test]
    fn the_inputs_are_printed_when_they_are_asked_for() {
        let [entry, _] = entries();
        assert_eq!(document(&entry, false).get("inputs"), None);
        assert_eq!(document(&entry, true)["inputs"], json!({"status": {}}));
        assert_eq!(document(&entry, true)["at"], "2025-10-09T08:54:20Z");
    }
}
