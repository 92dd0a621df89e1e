//! Checks on queues.

use super::checks::{Finding, Found};
use super::lab::{Lab, TAG};
use super::made::Thing;
use crate::installation::now;
use aws::sdk::sqs::types::{Message, QueueAttributeName};
use aws::{During as _, Failure};
use shared::time::Span;

/// The delay that is asked for.
const DELAY: Span = Span::secs(5);

/// "A second or so", and the way of the request.
const EXACT: Span = Span::secs(2);

async fn queue(lab: &Lab, check: u32, fifo: bool) -> Result<String, Failure> {
    let name = lab.name(check, if fifo { ".fifo" } else { "" });
    lab.note(Thing::Queue(name.clone()));
    let request = lab.clients.sqs.create_queue().queue_name(name).tags(TAG, &lab.run);
    let request = if fifo { request.attributes(QueueAttributeName::FifoQueue, "true") } else { request };
    Ok(request.send().await.during("sqs:CreateQueue")?.queue_url.unwrap_or_default())
}

async fn receive(lab: &Lab, url: &str, seconds: i32) -> Result<Vec<Message>, Failure> {
    let request = lab.clients.sqs.receive_message().queue_url(url).max_number_of_messages(1);
    let answer = request.wait_time_seconds(seconds).send().await.during("sqs:ReceiveMessage")?;
    Ok(answer.messages.unwrap_or_default())
}

/// 18: while a message of a group is in flight, the next one is not given.
pub(super) async fn one_at_a_time(lab: &Lab) -> Finding {
    let url = queue(lab, 18, true).await?;
    for body in ["first", "second"] {
        let request = lab.clients.sqs.send_message().queue_url(&url).message_body(body).message_group_id("group");
        request.message_deduplication_id(body).send().await.during("sqs:SendMessage")?;
    }
    let (first, _) = lab.wait(async || Ok(receive(lab, &url, 1).await?.pop())).await?;
    if first.is_none() {
        return Ok(Found::unknown("the first message was not received"));
    }
    let mut more = 0;
    for _ in 0..3 {
        more += receive(lab, &url, 1).await?.len();
    }
    Ok(Found::told(more == 0, format!("{more} more messages of the group while one is in flight")))
}

/// 19: a delayed message comes when it was asked for.
pub(super) async fn delay(lab: &Lab) -> Finding {
    let url = queue(lab, 19, false).await?;
    let request = lab.clients.sqs.send_message().queue_url(&url).message_body("late");
    let request = request.delay_seconds(i32::try_from(DELAY.ceil_secs()).unwrap_or(5));
    request.send().await.during("sqs:SendMessage")?;
    let sent = now();
    let (seen, _) = lab.wait(async || Ok(receive(lab, &url, 2).await?.pop())).await?;
    if seen.is_none() {
        return Ok(Found::told(false, format!("asked for {DELAY}, not there within {}", lab.patience)));
    }
    let took = now().since(sent);
    let off = took.0.abs_diff(DELAY.0);
    Ok(Found::told(off <= EXACT.0, format!("asked for {DELAY}, it came after {:.1} s", took.0 as f64 / 1_000.0)))
}
