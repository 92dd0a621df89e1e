//! The Query protocol's form fields as the JSON document they stand for.

use super::members;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The deepest name taken: AWS's have at most a dozen parts. Each part is a level of the document, and what reads a document
/// calls itself once per level.
const DEEPEST: usize = 40;

/// One level of the dotted names.
#[derive(Default)]
struct Node {
    text: Option<String>,
    children: BTreeMap<String, Node>,
}

/// The fields of a form, decoded, in their order.
pub(super) fn fields(form: &[u8]) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(form).unwrap_or_default()
}

/// The input document; `Action` and `Version` are not part of it.
pub(super) fn input(fields: &[(String, String)]) -> Value {
    let mut root = Node::default();
    for (name, text) in fields {
        // A name that is too deep is none of AWS's, and ignored like every name that an operation does not know.
        if name == "Action" || name == "Version" || name.split('.').nth(DEEPEST).is_some() {
            continue;
        }
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.text = Some(text.clone());
    }
    structure("", root)
}

fn structure(name: &str, node: Node) -> Value {
    let members = node.children.into_iter().map(|(key, child)| {
        let value = value(name, &key, child);
        (key, value)
    });
    Value::Object(members.collect())
}

fn value(around: &str, name: &str, mut node: Node) -> Value {
    if node.children.is_empty() {
        let text = node.text.unwrap_or_default();
        if text.is_empty() && members::is_list(name) {
            return Value::Array(Vec::new());
        }
        return members::typed(around, name, &text);
    }
    if let Some(items) = node.children.remove("member") {
        return Value::Array(in_order(items).map(|item| element(around, name, item)).collect());
    }
    if let Some(entries) = node.children.remove("entry") {
        return Value::Object(in_order(entries).filter_map(entry).collect());
    }
    structure(name, node)
}

fn element(around: &str, name: &str, item: Node) -> Value {
    // A list of plain values belongs to the structure around it, a list of structures is named by itself.
    if item.children.is_empty() {
        members::typed(around, name, &item.text.unwrap_or_default())
    } else {
        structure(name, item)
    }
}

/// A map entry: `key`/`value`, or `Name`/`Value` as SNS spells its message attributes.
fn entry(mut node: Node) -> Option<(String, Value)> {
    let key = node.children.remove("key").or_else(|| node.children.remove("Name"))?.text?;
    let content = node.children.remove("value").or_else(|| node.children.remove("Value"))?;
    let content = if content.children.is_empty() {
        Value::from(content.text.unwrap_or_default())
    } else {
        structure("", content)
    };
    Some((key, content))
}

fn in_order(list: Node) -> impl Iterator<Item = Node> {
    let mut items: Vec<(u64, Node)> =
        list.children.into_iter().map(|(index, item)| (index.parse().unwrap_or(u64::MAX), item)).collect();
    items.sort_by_key(|(index, _)| *index);
    items.into_iter().map(|(_, item)| item)
}

/// An empty document, for operations without input.
pub(super) fn empty() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(form: &str) -> Value {
        input(&fields(form.as_bytes()))
    }

    #[test]
    fn a_modify_rule_form_becomes_the_document_of_the_api_model() {
        let form = "Action=ModifyRule&Version=2015-12-01&RuleArn=arn%3Ar&Actions.member.1.Type=forward&Actions.member.1.Order=1\
            &Actions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn=b&Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight=0\
            &Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn=a&Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=90\
            &Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled=true";
        let want = json!({"RuleArn": "arn:r", "Actions": [{"Type": "forward", "Order": 1, "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": "a", "Weight": 90}, {"TargetGroupArn": "b", "Weight": 0}],
            "TargetGroupStickinessConfig": {"Enabled": true}}}]});
        assert_eq!(read(form), want);
    }

    #[test]
    fn entries_become_objects_and_an_empty_list_stays_a_list() {
        let form = "Actions=&A.AuthenticationRequestExtraParams.entry.1.key=k&A.AuthenticationRequestExtraParams.entry.1.value=v\
            &MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=x";
        let want = json!({"Actions": [], "A": {"AuthenticationRequestExtraParams": {"k": "v"}},
            "MessageAttributes": {"n": {"DataType": "String", "StringValue": "x"}}});
        assert_eq!(read(form), want);
    }

    #[test]
    fn a_name_deeper_than_any_of_aws_is_ignored() {
        let deep = |parts: usize| format!("Port=80&a{}=1", ".a".repeat(parts - 1));
        assert_eq!(read(&deep(DEEPEST)).as_object().map(serde_json::Map::len), Some(2));
        for parts in [DEEPEST + 1, 100_000] {
            assert_eq!(read(&deep(parts)), json!({"Port": 80}));
        }
    }

    #[test]
    fn ten_items_keep_their_numeric_order() {
        let form: Vec<String> = (1..=11).map(|n| format!("Names.member.{n}=n{n}")).collect();
        let names = read(&form.join("&"));
        assert_eq!(names["Names"][1], "n2");
        assert_eq!(names["Names"][10], "n11");
    }

    #[test]
    fn the_same_name_is_a_number_or_a_text_by_its_place() {
        let form = "Port=80&RedirectConfig.Port=443&MetricData.member.1.Value=2&MetricData.member.1.Values.member.1=3\
            &MetricData.member.1.Dimensions.member.1.Value=4&Conditions.member.1.Values.member.1=5&StartTime=2025-11-20T09:00:00Z";
        let want = json!({"Port": 80, "RedirectConfig": {"Port": "443"}, "StartTime": 1763629200.0,
            "MetricData": [{"Value": 2.0, "Values": [3.0], "Dimensions": [{"Value": "4"}]}], "Conditions": [{"Values": ["5"]}]});
        assert_eq!(read(form), want);
    }
}
