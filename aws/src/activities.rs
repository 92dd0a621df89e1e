//! What Application Auto Scaling did of late with those services of which that says more, and what it did not do.

use aws_sdk_applicationautoscaling::types::{
    ScalableDimension, ScalingActivity, ScalingActivityStatusCode, ServiceNamespace,
};
use shared::observation::Reading;
use shared::scaling::Activity;

use crate::count::time;
use crate::errors::During;
use crate::pace::Bucket;
use crate::world::World;

const CALL: &str = "application-autoscaling:DescribeScalingActivities";
/// So many are looked at: those of the last minutes are what counts.
const NEWEST: i32 = 20;

/// The newest activities of a resource, the newest first.
pub(crate) async fn read(world: &World, resource: &str, calls: &mut usize) -> Reading<Vec<Activity>> {
    let request = world
        .clients
        .scaling
        .describe_scaling_activities()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_id(resource)
        .include_not_scaled_activities(true)
        .max_results(NEWEST);
    let ask = async || request.clone().send().await.during(CALL);
    match world.pace.call(Bucket::Others, calls, ask).await {
        Ok(answer) => Reading::Known(answer.scaling_activities().iter().filter_map(activity).collect()),
        Err(failure) => Reading::Unknown(failure.to_string()),
    }
}

/// None: when it was is before all times.
fn activity(activity: &ScalingActivity) -> Option<Activity> {
    let at = time(activity.start_time())?;
    let reasons = activity.not_scaled_reasons();
    // What has a reason was not carried out on purpose, though it is told as Failed too (its user guide, "Scaling activities").
    let refused = !reasons.is_empty();
    let code = activity.status_code();
    let failed = matches!(code, ScalingActivityStatusCode::Failed | ScalingActivityStatusCode::Unfulfilled);
    let words = activity.status_message().unwrap_or(activity.description());
    Some(Activity {
        at,
        failed: (failed && !refused).then(|| words.to_owned()),
        refused,
        full: reasons.iter().any(|reason| reason.code() == "AlreadyAtMaxCapacity"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_applicationautoscaling::primitives::DateTime;
    use aws_sdk_applicationautoscaling::types::NotScaledReason;
    use shared::time::Time;

    #[test]
    fn what_failed_and_what_was_refused_for_the_maximum_are_told_apart() {
        let of = |code: ScalingActivityStatusCode, reason: Option<&str>| {
            let reason = reason.map(|code| NotScaledReason::builder().code(code).build().unwrap());
            let built = ScalingActivity::builder()
                .activity_id("1")
                .service_namespace(ServiceNamespace::Ecs)
                .resource_id("service/production/shop")
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .description("Setting desired count to 5.")
                .cause("an alarm")
                .start_time(DateTime::from_secs(7))
                .status_code(code)
                .status_message("Failed to set desired count to 5")
                .set_not_scaled_reasons(reason.map(|reason| vec![reason]));
            activity(&built.build().unwrap()).unwrap()
        };
        use ScalingActivityStatusCode as Code;
        let told = |failed: bool, refused: bool, full: bool| {
            let failed = failed.then(|| "Failed to set desired count to 5".to_owned());
            Activity { at: Time(7_000), failed, refused, full }
        };
        assert_eq!(of(Code::Successful, None), told(false, false, false));
        assert_eq!(of(Code::Failed, None), told(true, false, false));
        assert_eq!(of(Code::Unfulfilled, None), told(true, false, false));
        for code in [Code::Failed, Code::Unfulfilled] {
            assert_eq!(of(code.clone(), Some("AlreadyAtMaxCapacity")), told(false, true, true));
            assert_eq!(of(code, Some("AutoScalingAnticipatedFlapping")), told(false, true, false));
        }
    }
}
