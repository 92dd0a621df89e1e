//! AWS Secrets Manager: secrets with versions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, Millis, World, time};

#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    secrets: BTreeMap<String, Secret>,
}

#[derive(Debug, Clone)]
struct Secret {
    arn: String,
    description: String,
    created: Millis,
    changed: Millis,
    deleted: Option<Millis>,
    /// Oldest first: id, text or binary member, when.
    versions: Vec<(String, Value, Millis)>,
}

fn not_found() -> AwsError {
    AwsError::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

impl Secret {
    fn versions_to_stages(&self) -> BTreeMap<&String, Vec<&str>> {
        self.versions.iter().map(|(id, ..)| (id, self.stages(id))).collect()
    }

    fn stages(&self, version: &str) -> Vec<&str> {
        let from_end = self.versions.iter().rev().position(|(id, ..)| id == version);
        match from_end {
            Some(0) => vec!["AWSCURRENT"],
            Some(1) => vec!["AWSPREVIOUS"],
            Some(_) | None => Vec::new(),
        }
    }
}

fn content(input: In<'_>) -> Option<Value> {
    ["SecretString", "SecretBinary"].into_iter().find_map(|member| Some(json!({ member: input.get(member)? })))
}

impl World {
    fn secret_name(&self, reference: &str) -> Result<String, AwsError> {
        let secrets = &self.secrets.secrets;
        if secrets.contains_key(reference) {
            return Ok(reference.to_owned());
        }
        // A partial ARN, without the six random characters, finds it too.
        let partial = |arn: &str| arn == reference || arn.rsplit_once('-').is_some_and(|(start, _)| start == reference);
        secrets.iter().find(|(_, secret)| partial(&secret.arn)).map(|(name, _)| name.clone()).ok_or_else(not_found)
    }

    pub(crate) fn secrets_manager(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateSecret" => {
                let name = input.str("Name")?.to_owned();
                if self.secrets.secrets.contains_key(&name) {
                    let message = format!("The operation failed because the secret {name} already exists.");
                    return Err(AwsError::new("ResourceExistsException", message));
                }
                let version = input.opt_str("ClientRequestToken").map_or_else(|| self.core.ids.uuid(), str::to_owned);
                let suffix = &self.core.ids.hex16()[..6];
                let arn = format!(
                    "arn:aws:secretsmanager:{}:{}:secret:{name}-{suffix}",
                    call.region, self.core.settings.account
                );
                let mut answer = json!({ "ARN": arn, "Name": name });
                let mut versions = Vec::new();
                if let Some(content) = content(input) {
                    answer["VersionId"] = json!(version);
                    versions.push((version, content, call.now));
                }
                let description = input.opt_str("Description").unwrap_or_default().to_owned();
                let (created, changed) = (call.now, call.now);
                let secret = Secret { arn, description, created, changed, deleted: None, versions };
                self.secrets.secrets.insert(name, secret);
                Ok(answer)
            }
            "PutSecretValue" => {
                let name = self.secret_name(input.str("SecretId")?)?;
                let content = content(input).ok_or_else(|| {
                    AwsError::new("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
                })?;
                let version = input.opt_str("ClientRequestToken").map_or_else(|| self.core.ids.uuid(), str::to_owned);
                let secret = self.secrets.secrets.get_mut(&name).ok_or_else(not_found)?;
                secret.versions.push((version.clone(), content, call.now));
                secret.changed = call.now;
                Ok(json!({ "ARN": secret.arn, "Name": name, "VersionId": version, "VersionStages": ["AWSCURRENT"] }))
            }
            "GetSecretValue" => {
                let name = self.secret_name(input.str("SecretId")?)?;
                let secret = &self.secrets.secrets[&name];
                if secret.deleted.is_some() {
                    let message = "You can't perform this operation on the secret because it was marked for deletion.";
                    return Err(AwsError::new("InvalidRequestException", message));
                }
                let stage = input.opt_str("VersionStage").unwrap_or("AWSCURRENT");
                let wanted = |(id, ..): &&(String, Value, Millis)| match input.opt_str("VersionId") {
                    Some(version) => id == version,
                    None => secret.stages(id).contains(&stage),
                };
                let missing = || {
                    let message =
                        format!("Secrets Manager can't find the specified secret value for staging label: {stage}");
                    AwsError::new("ResourceNotFoundException", message)
                };
                let (id, content, at) = secret.versions.iter().find(wanted).ok_or_else(missing)?;
                let mut answer = content.clone();
                answer["ARN"] = json!(secret.arn);
                answer["Name"] = json!(name);
                answer["VersionId"] = json!(id);
                answer["VersionStages"] = json!(secret.stages(id));
                answer["CreatedDate"] = time::stamp(*at);
                Ok(answer)
            }
            "DescribeSecret" => {
                let name = self.secret_name(input.str("SecretId")?)?;
                let secret = &self.secrets.secrets[&name];
                let mut answer = json!({
                    "ARN": secret.arn, "Name": name, "Description": secret.description,
                    "CreatedDate": time::stamp(secret.created), "LastChangedDate": time::stamp(secret.changed),
                    "VersionIdsToStages": secret.versions_to_stages(),
                });
                if let Some(deleted) = secret.deleted {
                    answer["DeletedDate"] = time::stamp(deleted);
                }
                Ok(answer)
            }
            "DeleteSecret" => {
                let name = self.secret_name(input.str("SecretId")?)?;
                let days = input.opt_u64("RecoveryWindowInDays")?.unwrap_or(30);
                let secret = self.secrets.secrets.get_mut(&name).ok_or_else(not_found)?;
                let at = call.now + days * 86_400_000;
                secret.deleted = Some(call.now);
                let arn = secret.arn.clone();
                if input.bool("ForceDeleteWithoutRecovery") {
                    self.secrets.secrets.remove(&name);
                }
                Ok(json!({ "ARN": arn, "Name": name, "DeletionDate": time::stamp(at) }))
            }
            "ListSecrets" => {
                let list: Vec<Value> = self
                    .secrets
                    .secrets
                    .iter()
                    .map(|(name, secret)| {
                        json!({
                            "ARN": secret.arn, "Name": name, "Description": secret.description,
                            "CreatedDate": time::stamp(secret.created), "LastChangedDate": time::stamp(secret.changed),
                            "SecretVersionsToStages": secret.versions_to_stages(),
                        })
                    })
                    .collect();
                Ok(json!({ "SecretList": list }))
            }
            other => Err(AwsError::new("UnknownOperationException", format!("{other} is not in this local cloud"))),
        }
    }
}
