//! Amazon ECR: repositories, manifests, tags, and the push events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, Manners, Millis, World, hash, time};

#[derive(Debug, Clone, Default)]
pub(crate) struct Ecr {
    repositories: BTreeMap<String, Repository>,
}

#[derive(Debug, Clone)]
struct Repository {
    arn: String,
    region: String,
    uri: String,
    mutable: bool,
    created: Millis,
    images: BTreeMap<String, Image>,
    tags: BTreeMap<String, String>,
    /// The repository's own tags, as they were given.
    resource_tags: Vec<Value>,
}

#[derive(Debug, Clone)]
struct Image {
    manifest: String,
    media_type: String,
    artifact_type: Option<String>,
    pushed: Millis,
    manners: Manners,
    /// The newest tag it was given, kept when the tag moves on, so that a task can still be told by name.
    last_tag: String,
}

impl Image {
    /// What a manifest says of its parts; the manifest's own length where it says nothing.
    fn size(&self) -> u64 {
        let document: Value = serde_json::from_str(&self.manifest).unwrap_or_default();
        let layers = document["layers"].as_array().into_iter().flatten();
        let said: u64 = layers.chain([&document["config"]]).filter_map(|part| part["size"].as_u64()).sum();
        if said > 0 { said } else { self.manifest.len() as u64 }
    }
}

/// An image as a task pulls it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pulled {
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) manners: Manners,
}

impl Ecr {
    /// Resolves an image reference. `Ok(None)` is an image outside ECR: it is taken to exist and to be good.
    pub(crate) fn pull(&self, reference: &str) -> Result<Option<Pulled>, String> {
        let Some((host, rest)) = reference.split_once('/').filter(|(host, _)| host.contains(".dkr.ecr.")) else {
            return Ok(None);
        };
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (name, tag) = rest.split_once(':').map_or((rest, None), |(name, tag)| (name, Some(tag)));
        let unknown = || format!("{reference}: not found");
        let repository = self.repositories.get(name).ok_or_else(unknown)?;
        if !repository.uri.starts_with(&format!("{host}/")) {
            return Err(unknown());
        }
        let digest = match digest {
            Some(digest) => digest,
            None => repository.tags.get(tag.unwrap_or("latest")).ok_or_else(unknown)?,
        };
        let image = repository.images.get(digest).ok_or_else(unknown)?;
        let tag = tag.map_or_else(|| image.last_tag.clone(), str::to_owned);
        Ok(Some(Pulled { tag, digest: digest.to_owned(), manners: image.manners.clone() }))
    }
}

fn absent(name: &str, account: &str) -> AwsError {
    AwsError::new(
        "RepositoryNotFoundException",
        format!("The repository with name '{name}' does not exist in the registry with id '{account}'"),
    )
}

impl Repository {
    fn describe(&self, name: &str, account: &str) -> Value {
        json!({
            "repositoryArn": self.arn, "registryId": account, "repositoryName": name, "repositoryUri": self.uri,
            "createdAt": time::stamp(self.created),
            "imageTagMutability": if self.mutable { "MUTABLE" } else { "IMMUTABLE" },
            "imageScanningConfiguration": { "scanOnPush": false },
            "encryptionConfiguration": { "encryptionType": "AES256" },
        })
    }

    fn tags_of(&self, digest: &str) -> Vec<&str> {
        self.tags.iter().filter(|(_, of)| *of == digest).map(|(tag, _)| tag.as_str()).collect()
    }

    /// The digest an image id means: digest, tag, or both when they agree.
    fn find(&self, id: &Value) -> Option<&str> {
        let by_tag = id["imageTag"].as_str().map(|tag| self.tags.get(tag).map(String::as_str));
        let by_digest = id["imageDigest"]
            .as_str()
            .map(|digest| self.images.get_key_value(digest).map(|(digest, _)| digest.as_str()));
        match (by_tag, by_digest) {
            (Some(a), Some(b)) => a.filter(|_| a == b),
            (Some(found), None) | (None, Some(found)) => found,
            (None, None) => None,
        }
    }
}

impl World {
    pub(crate) fn ecr(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateRepository" => self.create_repository(call, input),
            "DescribeRepositories" => self.describe_repositories(input),
            "PutImage" => self.put_image(call, input),
            "BatchGetImage" => self.batch_get_image(input),
            "DescribeImages" => self.describe_images(input),
            "ListImages" => self.list_images(input),
            "BatchDeleteImage" => self.batch_delete_image(call, input),
            "DeleteRepository" => {
                let name = input.str("repositoryName")?;
                let repository = self.repository(name)?;
                if !repository.images.is_empty() && !input.bool("force") {
                    let message =
                        format!("The repository with name '{name}' cannot be deleted because it still contains images");
                    return Err(AwsError::new("RepositoryNotEmptyException", message));
                }
                let answer = json!({ "repository": repository.describe(name, &self.core.settings.account) });
                self.ecr.repositories.remove(name);
                Ok(answer)
            }
            "GetAuthorizationToken" => Ok(json!({ "authorizationData": [{
                // "AWS:local" in base64: nothing is behind it.
                "authorizationToken": "QVdTOmxvY2Fs",
                "expiresAt": time::stamp(call.now + 12 * 3_600_000),
                "proxyEndpoint": format!("https://{}.dkr.ecr.{}.amazonaws.com", self.core.settings.account, call.region),
            }]})),
            "ListTagsForResource" => {
                let arn = input.str("resourceArn")?;
                let name = arn.split_once(":repository/").map_or(arn, |(_, name)| name);
                Ok(json!({ "tags": self.repository(name)?.resource_tags }))
            }
            other => Err(AwsError::new("UnknownOperationException", format!("{other} is not in this local cloud"))),
        }
    }

    fn repository(&self, name: &str) -> Result<&Repository, AwsError> {
        self.ecr.repositories.get(name).ok_or_else(|| absent(name, &self.core.settings.account))
    }

    fn create_repository(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("repositoryName")?;
        let account = self.core.settings.account.clone();
        if self.ecr.repositories.contains_key(name) {
            let message =
                format!("The repository with name '{name}' already exists in the registry with id '{account}'");
            return Err(AwsError::new("RepositoryAlreadyExistsException", message));
        }
        let repository = Repository {
            arn: format!("arn:aws:ecr:{}:{account}:repository/{name}", call.region),
            region: call.region.to_owned(),
            uri: format!("{account}.dkr.ecr.{}.amazonaws.com/{name}", call.region),
            mutable: input.opt_str("imageTagMutability") != Some("IMMUTABLE"),
            created: call.now,
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
            resource_tags: input.list("tags").to_vec(),
        };
        let answer = json!({ "repository": repository.describe(name, &account) });
        self.ecr.repositories.insert(name.to_owned(), repository);
        Ok(answer)
    }

    fn describe_repositories(&self, input: In<'_>) -> Answer {
        let account = &self.core.settings.account;
        let names = input.strs("repositoryNames");
        let mut found = Vec::new();
        if names.is_empty() {
            found.extend(self.ecr.repositories.iter().map(|(name, repository)| repository.describe(name, account)));
        }
        for name in names {
            found.push(self.repository(name)?.describe(name, account));
        }
        Ok(json!({ "repositories": found }))
    }

    fn put_image(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("repositoryName")?;
        let manifest = input.str("imageManifest")?;
        let tag = input.opt_str("imageTag").filter(|tag| !tag.is_empty());
        let account = self.core.settings.account.clone();
        let document: Value = serde_json::from_str(manifest)
            .map_err(|error| AwsError::new("InvalidParameterException", format!("Invalid manifest: {error}")))?;
        let manners = Manners::parse(document["annotations"]["flipback.manners"].as_str().unwrap_or_default())
            .map_err(|error| AwsError::new("InvalidParameterException", format!("flipback.manners: {error}")))?;
        let digest = format!("sha256:{}", hash::sha256(manifest.as_bytes()));
        if input.opt_str("imageDigest").is_some_and(|given| given != digest) {
            return Err(AwsError::new(
                "ImageDigestDoesNotMatchException",
                "The provided digest does not match the manifest",
            ));
        }
        let repository = self.ecr.repositories.get_mut(name).ok_or_else(|| absent(name, &account))?;
        let same = match tag {
            Some(tag) => repository.tags.get(tag) == Some(&digest),
            None => repository.images.contains_key(&digest),
        };
        if same {
            let message = format!(
                "Image with digest '{digest}' and tag '{}' already exists in the repository with name '{name}' in registry \
                 with id '{account}'",
                tag.unwrap_or("null")
            );
            return Err(AwsError::new("ImageAlreadyExistsException", message));
        }
        if let Some(tag) = tag.filter(|tag| !repository.mutable && repository.tags.contains_key(*tag)) {
            let message = format!(
                "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the \
                 repository is immutable."
            );
            return Err(AwsError::new("ImageTagAlreadyExistsException", message));
        }
        let media_type = input
            .opt_str("imageManifestMediaType")
            .or_else(|| document["mediaType"].as_str())
            .unwrap_or("application/vnd.oci.image.manifest.v1+json")
            .to_owned();
        let artifact_type = document["artifactType"].as_str().or_else(|| document["config"]["mediaType"].as_str());
        let image = repository.images.entry(digest.clone()).or_insert_with(|| Image {
            manifest: manifest.to_owned(),
            media_type: media_type.clone(),
            artifact_type: artifact_type.map(str::to_owned),
            pushed: call.now,
            manners,
            last_tag: String::new(),
        });
        image.pushed = call.now;
        let mut detail = json!({
            "result": "SUCCESS", "repository-name": name, "image-digest": digest, "action-type": "PUSH",
            "manifest-media-type": image.media_type,
        });
        detail["artifact-media-type"] =
            json!(image.artifact_type.as_deref().unwrap_or("application/vnd.oci.image.config.v1+json"));
        let mut id = json!({ "imageDigest": digest });
        if let Some(tag) = tag {
            image.last_tag = tag.to_owned();
            repository.tags.insert(tag.to_owned(), digest);
            detail["image-tag"] = json!(tag);
            id["imageTag"] = json!(tag);
        }
        let region = repository.region.clone();
        let beliefs = &self.core.settings.beliefs;
        let told =
            if beliefs.push_event_has_push_time { call.now } else { call.now + self.core.settings.beyond.pushes };
        if !beliefs.a_push_is_one_event {
            // The image of one platform of an index, which carries no tag.
            let mut child = detail.clone();
            child["image-digest"] =
                json!(format!("sha256:{}", crate::hash::sha256(format!("one platform of {manifest}").as_bytes())));
            child["image-tag"] = json!("");
            self.core.event(told, &region, "aws.ecr", "ECR Image Action", vec![], child);
        }
        self.core.event(told, &region, "aws.ecr", "ECR Image Action", vec![], detail);
        Ok(json!({ "image": {
            "registryId": account, "repositoryName": name, "imageId": id, "imageManifest": manifest,
            "imageManifestMediaType": media_type,
        }}))
    }

    fn batch_get_image(&self, input: In<'_>) -> Answer {
        let name = input.str("repositoryName")?;
        let repository = self.repository(name)?;
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in input.full_list("imageIds")? {
            match repository.find(id).and_then(|digest| Some((digest, repository.images.get(digest)?))) {
                Some((digest, image)) => {
                    let mut found = json!({ "imageDigest": digest });
                    if let Some(tag) = id["imageTag"].as_str() {
                        found["imageTag"] = json!(tag);
                    }
                    images.push(json!({
                        "registryId": self.core.settings.account, "repositoryName": name, "imageId": found,
                        "imageManifest": image.manifest, "imageManifestMediaType": image.media_type,
                    }));
                }
                None => failures.push(json!({
                    "imageId": id, "failureCode": "ImageNotFound", "failureReason": "Requested image not found",
                })),
            }
        }
        Ok(json!({ "images": images, "failures": failures }))
    }

    fn describe_images(&self, input: In<'_>) -> Answer {
        let name = input.str("repositoryName")?;
        let account = &self.core.settings.account;
        let repository = self.repository(name)?;
        let mut digests = Vec::new();
        for id in input.list("imageIds") {
            let Some(digest) = repository.find(id) else {
                let digest = id["imageDigest"].as_str().unwrap_or("null");
                let tag = id["imageTag"].as_str().unwrap_or("null");
                return Err(AwsError::new(
                    "ImageNotFoundException",
                    format!(
                        "The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within the \
                         repository with name '{name}' in the registry with id '{account}'"
                    ),
                ));
            };
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        if input.list("imageIds").is_empty() {
            digests.extend(repository.images.keys().map(String::as_str));
        }
        let status = input.get("filter").and_then(|filter| filter["tagStatus"].as_str()).unwrap_or("ANY");
        digests.retain(|digest| match status {
            "TAGGED" => !repository.tags_of(digest).is_empty(),
            "UNTAGGED" => repository.tags_of(digest).is_empty(),
            _ => true,
        });
        let size = input.opt_u64("maxResults")?.unwrap_or(100).min(1_000) as usize;
        let (digests, next) =
            page(&digests, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let details: Vec<Value> = digests
            .into_iter()
            .map(|digest| {
                let image = &repository.images[digest];
                let tags = repository.tags_of(digest);
                let mut detail = json!({
                    "registryId": account, "repositoryName": name, "imageDigest": digest,
                    "imageSizeInBytes": image.size(), "imagePushedAt": time::stamp(image.pushed),
                    "imageManifestMediaType": image.media_type,
                    "artifactMediaType":
                        image.artifact_type.as_deref().unwrap_or("application/vnd.oci.image.config.v1+json"),
                });
                if !tags.is_empty() {
                    detail["imageTags"] = json!(tags);
                }
                detail
            })
            .collect();
        let mut answer = json!({ "imageDetails": details });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    fn list_images(&self, input: In<'_>) -> Answer {
        let repository = self.repository(input.str("repositoryName")?)?;
        let status = input.get("filter").and_then(|filter| filter["tagStatus"].as_str()).unwrap_or("ANY");
        let mut ids = Vec::new();
        for digest in repository.images.keys() {
            let tags = repository.tags_of(digest);
            if tags.is_empty() && status != "TAGGED" {
                ids.push(json!({ "imageDigest": digest }));
            }
            if status != "UNTAGGED" {
                ids.extend(tags.into_iter().map(|tag| json!({ "imageDigest": digest, "imageTag": tag })));
            }
        }
        let size = input.opt_u64("maxResults")?.unwrap_or(100).min(1_000) as usize;
        let (ids, next) = page(&ids, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "imageIds": ids });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    fn batch_delete_image(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("repositoryName")?;
        let account = self.core.settings.account.clone();
        let repository = self.ecr.repositories.get_mut(name).ok_or_else(|| absent(name, &account))?;
        let (mut gone, mut failures) = (Vec::new(), Vec::new());
        for id in input.full_list("imageIds")? {
            let Some(digest) = repository.find(id).map(str::to_owned) else {
                failures.push(json!({
                    "imageId": id, "failureCode": "ImageNotFound", "failureReason": "Requested image not found",
                }));
                continue;
            };
            // A tag takes the image with it only when it was the last one.
            if let Some(tag) = id["imageTag"].as_str() {
                repository.tags.remove(tag);
                gone.push(json!({ "imageDigest": digest, "imageTag": tag }));
            } else {
                for tag in repository.tags_of(&digest) {
                    gone.push(json!({ "imageDigest": digest, "imageTag": tag }));
                }
                repository.tags.retain(|_, of| *of != digest);
                if gone.is_empty() {
                    gone.push(json!({ "imageDigest": digest }));
                }
            }
            if repository.tags_of(&digest).is_empty() {
                repository.images.remove(&digest);
            }
        }
        let region = repository.region.clone();
        for id in &gone {
            let mut detail = json!({
                "result": "SUCCESS", "repository-name": name, "image-digest": id["imageDigest"], "action-type": "DELETE",
            });
            if let Some(tag) = id["imageTag"].as_str() {
                detail["image-tag"] = json!(tag);
            }
            self.core.event(call.now, &region, "aws.ecr", "ECR Image Action", vec![], detail);
        }
        Ok(json!({ "imageIds": gone, "failures": failures }))
    }
}
