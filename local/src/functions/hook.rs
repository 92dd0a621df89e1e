//! Lifecycle hooks that ECS calls: a function is invoked, and what it answers goes back into the world.

use std::sync::Arc;

use serde_json::Value;

use crate::inner::Inner;
use crate::lock;

impl Inner {
    /// Invokes the function of a hook. What cannot be invoked is a failed hook, as on AWS.
    pub(crate) fn call_hook(self: &Arc<Self>, deployment: String, hook: String, function_arn: &str, payload: &Value) {
        let name = function_arn.rsplit(':').next().unwrap_or_default();
        let named = |function: &&Arc<super::Function>| function.spec.full_name == name || function.spec.name == name;
        let function = self.functions.get().and_then(|all| all.values().find(named)).cloned();
        let (inner, payload, arn) = (self.clone(), payload.to_string(), function_arn.to_owned());
        self.tasks.spawn(async move {
            let answer = match function {
                Some(function) => function.invoke(&inner, payload).await.answer(),
                None => Err(format!("no function {arn}")),
            };
            let now = inner.clock.now();
            lock(&inner.world).hook_answered(&deployment, &hook, answer, now);
        });
    }
}
