//! Why tasks of a service stopped, of those services where that says more: ECS shows a stopped task for an hour.

use aws_sdk_ecs::types::{Container, DesiredStatus, Task, TaskStopCode};
use shared::observation::Reading;
use shared::scaling::Stop;
use tracing::warn;

use crate::count::time;
use crate::errors::{During, Failure};
use crate::pace::Bucket;
use crate::world::World;

/// The most of one ListTasks, and of one DescribeTasks (ECS API reference).
const TASKS: i32 = 100;
/// So many of those are read.
const PAGES: i32 = 5;

/// The tasks that ended without being told to, the newest first.
pub(crate) async fn read(world: &World, cluster: &str, service: &str, calls: &mut usize) -> Reading<Vec<Stop>> {
    match stopped(world, cluster, service, calls).await {
        Ok(all) => Reading::Known(all),
        Err(failure) => {
            warn!(%failure, service, "why tasks ended is not known");
            Reading::Unknown(failure.to_string())
        }
    }
}

async fn stopped(world: &World, cluster: &str, service: &str, calls: &mut usize) -> Result<Vec<Stop>, Failure> {
    let ecs = &world.clients.ecs;
    let list = ecs.list_tasks().cluster(cluster).service_name(service).desired_status(DesiredStatus::Stopped);
    let (mut all, mut next) = (Vec::new(), None);
    // In no order that is documented: half of them are no answer.
    for _ in 0..PAGES {
        let page = list.clone().max_results(TASKS).set_next_token(next);
        let ask = async || page.clone().send().await.during("ecs:ListTasks");
        let answer = world.pace.call(Bucket::Tasks, calls, ask).await?;
        next = answer.next_token.filter(|token| !token.is_empty());
        let arns = answer.task_arns.unwrap_or_default();
        if !arns.is_empty() {
            let describe = ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns));
            let ask = async || describe.clone().send().await.during("ecs:DescribeTasks");
            all.extend(world.pace.call(Bucket::Tasks, calls, ask).await?.tasks().iter().filter_map(stop));
        }
        if next.is_none() {
            all.sort_by_key(|stop: &Stop| std::cmp::Reverse(stop.at));
            return Ok(all);
        }
    }
    Err(Failure::unreadable("ecs:ListTasks", format!("more tasks than {} ended within the hour", PAGES * TASKS)))
}

/// None: it was told to stop, or has not ended.
fn stop(task: &Task) -> Option<Stop> {
    let reason = task.stopped_reason().unwrap_or_default();
    let own = match task.stop_code()? {
        TaskStopCode::TaskFailedToStart | TaskStopCode::EssentialContainerExited => true,
        // Its load balancer or its own check said that it is sick.
        TaskStopCode::ServiceSchedulerInitiated => reason.contains("failed"),
        _ => false,
    };
    let at = time(task.stopped_at().or(task.stopping_at())?).filter(|_| own)?;
    let says = |container: &Container| {
        let reason = container.reason().unwrap_or_default();
        let code = container.exit_code().filter(|code| *code != 0).map(|code| format!("exit code {code}"));
        let words: Vec<String> =
            Some(reason.to_owned()).filter(|reason| !reason.is_empty()).into_iter().chain(code).collect();
        (!words.is_empty()).then(|| format!(" ({}: {})", container.name().unwrap_or_default(), words.join(", ")))
    };
    let containers: String = task.containers().iter().filter_map(says).collect();
    let definition = task.task_definition_arn().unwrap_or_default().to_owned();
    Some(Stop { at, definition, memory: containers.contains("OutOfMemory"), why: format!("{reason}{containers}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::primitives::DateTime;
    use shared::time::Time;

    fn task(code: TaskStopCode, reason: &str, container: Container) -> Option<Stop> {
        let task = Task::builder().stop_code(code).stopped_reason(reason).stopped_at(DateTime::from_secs(7));
        let task = task.task_definition_arn("shop:7");
        stop(&task.containers(container).build())
    }

    #[test]
    fn a_task_that_ended_by_itself_says_why() {
        let app = || Container::builder().name("app");
        let killed = app().exit_code(137).reason("OutOfMemoryError: Container killed due to memory usage").build();
        let ended = task(TaskStopCode::EssentialContainerExited, "Essential container in task exited", killed);
        let why = "Essential container in task exited (app: OutOfMemoryError: Container killed due to memory usage, exit code 137)";
        assert_eq!(
            ended,
            Some(Stop { at: Time(7_000), definition: "shop:7".to_owned(), why: why.to_owned(), memory: true })
        );
        let crashed = task(
            TaskStopCode::EssentialContainerExited,
            "Essential container in task exited",
            app().exit_code(1).build(),
        );
        let crashed = crashed.expect("it ended by itself");
        assert_eq!(
            (crashed.why.as_str(), crashed.memory),
            ("Essential container in task exited (app: exit code 1)", false)
        );
        let pull = task(TaskStopCode::TaskFailedToStart, "CannotPullContainerError: not found", app().build());
        assert_eq!(pull.expect("it never ran").why, "CannotPullContainerError: not found");
    }

    #[test]
    fn a_task_that_was_told_to_stop_says_nothing_unless_it_was_sick() {
        let by = |code: TaskStopCode, reason: &str| {
            task(code, reason, Container::builder().exit_code(143).build()).is_some()
        };
        assert!(!by(TaskStopCode::ServiceSchedulerInitiated, "Scaling activity initiated by (deployment ecs-svc/1)"));
        assert!(by(TaskStopCode::ServiceSchedulerInitiated, "Task failed ELB health checks in (target-group x)"));
        assert!(!by(TaskStopCode::UserInitiated, "Task stopped by user"));
        assert!(!by(TaskStopCode::SpotInterruption, "Your Spot Task was interrupted."));
        assert_eq!(stop(&Task::builder().stopped_at(DateTime::from_secs(7)).build()), None);
    }
}
