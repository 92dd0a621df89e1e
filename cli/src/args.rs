//! The command line: every command, its flags and its help.

use crate::demo;
use clap::{Args as ClapArgs, Parser, Subcommand};
use shared::time::Span;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The heading of what every command takes.
const EVERYWHERE: &str = "Options of every command";

const CHECK_ACCOUNT: &str = "\
This is the one command that changes anything in ECS or ELB by itself, and only what it has made:
it asks first, and removes everything, also after an error or Ctrl-C. Names begin with
flipback-check-, the tag is flipback:check-account. It needs no installation.
Exit code 1: a belief is wrong, or something was not removed.";

const EXIT_CODES: &str = "\
Exit codes:
  0  done; with --wait or `wait`: the rollout completed, or what was asked for came about
  1  failed: the error says what, where and what to do
  2  usage: the command line is wrong
  3  rolled back: the rollout that was waited for went back (not when --wait belongs to abort or rollback)
  4  timed out: it was not settled within --timeout; it goes on by itself

Environment:
  FLIPBACK_STACK    the installation, as --stack
  FLIPBACK_TABLE    the table's name where it is not the stack's
  AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL and everything else the AWS SDK reads
  NO_COLOR          no colour

Commands that change something return once it is recorded; the functions do the work. --wait follows it.";

/// Deploys Amazon ECS services when an image is pushed, watches them while they bake, and flips traffic back when they hurt.
#[derive(Debug, Parser)]
#[command(name = "flipback", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(crate) struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Global {
    /// The installation: the name of its CloudFormation stack
    #[arg(
        long,
        global = true,
        env = "FLIPBACK_STACK",
        default_value = "flipback",
        value_name = "NAME",
        hide_env = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) stack: String,
    /// The table's name, where it is not the stack's
    #[arg(long, global = true, env = "FLIPBACK_TABLE", hide = true)]
    pub(crate) table: Option<String>,
    /// The AWS region (default: as the AWS SDK finds it)
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) region: Option<String>,
    /// The profile in the AWS configuration (default: as the AWS SDK finds it)
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) profile: Option<String>,
    /// Print JSON: one document, or one per line where output goes on
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented flipback.yaml from the services of a cluster
    Init(Init),
    /// Print what to add to go from one ECS service to two colours
    Adopt(Adopt),
    /// Check flipback.yaml against AWS and make it the configuration
    Apply(Apply),
    /// Print the JSON Schema of flipback.yaml
    Schema,
    /// Show where services stand
    Status(Status),
    /// Show what was done and why, newest first
    History(History),
    /// Say what a service waits for, what was refused last, and what to do
    Why(Why),
    /// Say whether services can still scale, now
    Scaling(Scaling),
    /// Deploy images that are in ECR
    Deploy(Deploy),
    /// Start the live revision again; nothing is registered
    Redeploy(OneService),
    /// Go back: flip while a rollout can be flipped, else deploy the revision before
    Rollback(Rollback),
    /// End the present bake, or the standby, now
    Promote(OneService),
    /// Let the running rollout stand still; alarms and health still take it back
    Pause(OneService),
    /// Let a paused rollout go on, or one that waits for a person; weights are taken as they are
    Resume(OneService),
    /// Roll the running rollout back
    Abort(Abort),
    /// Lift the quarantine from an image
    Release(Release),
    /// Take a service out of the configuration; nothing of it in ECS or ELB is touched
    Remove(Remove),
    /// Wait until nothing runs; the exit code says how the last rollout ended
    Wait(Wait),
    /// Try on an account what Flipback believes about AWS, with throw-away resources that it makes and removes
    CheckAccount(CheckAccount),
    /// The local cloud: the part of AWS that Flipback touches, on one port
    #[command(subcommand)]
    Local(Local),
    /// Four stories in a local cloud: a good push, a 5XX push, an unhealthy one and ECS's own blue/green, with real functions and real traffic
    Demo(demo::Args),
}

/// `init`
#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// The ECS cluster (default: the only one there is)
    #[arg(long)]
    pub(crate) cluster: Option<String>,
    /// The file to write
    #[arg(long, short, default_value = "flipback.yaml", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Print instead of writing a file
    #[arg(long, conflicts_with_all = ["output", "force"])]
    pub(crate) stdout: bool,
}

/// `adopt`
#[derive(Debug, ClapArgs)]
pub(crate) struct Adopt {
    /// The ECS service; it becomes the blue one
    pub(crate) service: String,
    /// The ECS cluster
    #[arg(long)]
    pub(crate) cluster: String,
}

/// `apply`
#[derive(Debug, ClapArgs)]
pub(crate) struct Apply {
    /// The file
    #[arg(long, short, default_value = "flipback.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Check and show what would change; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Apply although services, routes or alarms are missing in AWS now; rollouts are refused until they are there
    #[arg(long)]
    pub(crate) unchecked: bool,
}

/// `status`
#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// The service (default: all)
    pub(crate) service: Option<String>,
    /// Show it again whenever it changes
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// `history`
#[derive(Debug, ClapArgs)]
pub(crate) struct History {
    /// The service
    pub(crate) service: String,
    /// How many lines at most
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) limit: u16,
    /// With --json: what each decision was made on as well
    #[arg(long, requires = "json")]
    pub(crate) inputs: bool,
}

/// `why`
#[derive(Debug, ClapArgs)]
pub(crate) struct Why {
    /// The service, or an ECR repository whose pushes are not deployed
    pub(crate) service: String,
}

/// `scaling`
#[derive(Debug, ClapArgs)]
pub(crate) struct Scaling {
    /// The service (default: all)
    pub(crate) service: Option<String>,
    /// What the scheduled check has open over all services, as the daily digest tells it: read from the table alone
    #[arg(long, conflicts_with = "service")]
    pub(crate) digest: bool,
}

/// How a recorded wish is followed.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Follow {
    /// Follow until it is settled, a line for each change
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to follow
    #[arg(long, default_value = "30m", value_parser = Span::parse, value_name = "DURATION")]
    pub(crate) timeout: Span,
}

/// A command that takes a service and nothing else.
#[derive(Debug, ClapArgs)]
pub(crate) struct OneService {
    /// The service
    pub(crate) service: String,
    /// How it is followed.
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// `abort`
#[derive(Debug, ClapArgs)]
pub(crate) struct Abort {
    /// Which one.
    #[command(flatten)]
    pub(crate) one: OneService,
    /// End a rollout that waits for a person as it stands; nothing more is written for it
    #[arg(long)]
    pub(crate) give_up: bool,
}

/// `deploy`
#[derive(Debug, ClapArgs)]
pub(crate) struct Deploy {
    /// The service
    pub(crate) service: String,
    /// REPOSITORY:TAG or REPOSITORY@DIGEST; repeated where a service has several images
    #[arg(long, required = true, value_name = "REF")]
    pub(crate) image: Vec<String>,
    /// Deploy although an alarm fires already or the image is in quarantine: a fix forward
    #[arg(long)]
    pub(crate) force: bool,
    /// How it is followed.
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// `rollback`
#[derive(Debug, ClapArgs)]
pub(crate) struct Rollback {
    /// The service
    pub(crate) service: String,
    /// The revision to go to: FAMILY:NUMBER, NUMBER or an ARN (default: the one before)
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<String>,
    /// How it is followed.
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// `release`
#[derive(Debug, ClapArgs)]
pub(crate) struct Release {
    /// The service
    pub(crate) service: String,
    /// The image's digest, or its beginning
    pub(crate) digest: String,
    /// How it is followed.
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// `remove`
#[derive(Debug, ClapArgs)]
pub(crate) struct Remove {
    /// The service
    pub(crate) service: String,
    /// Remove it; without this, what would happen is told and nothing is done
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `wait`
#[derive(Debug, ClapArgs)]
pub(crate) struct Wait {
    /// The service
    pub(crate) service: String,
    /// How long to wait
    #[arg(long, default_value = "30m", value_parser = Span::parse, value_name = "DURATION")]
    pub(crate) timeout: Span,
}

/// `check-account`
#[derive(Debug, ClapArgs)]
#[command(after_help = CHECK_ACCOUNT)]
pub(crate) struct CheckAccount {
    /// The ECS cluster that throw-away services without tasks are made in
    #[arg(long)]
    pub(crate) cluster: String,
    /// The listener of a test load balancer that throw-away rules are made on (default: rules are not checked)
    #[arg(long, value_name = "ARN")]
    pub(crate) listener: Option<String>,
    /// Check these beliefs only, by their numbers in docs/assumptions.md
    #[arg(value_parser = belief_number, long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) only: Vec<u32>,
    /// Say what would be made, where, and what it costs; make nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Find what earlier runs left behind and remove it, instead of checking
    #[arg(long, conflicts_with_all = ["only", "dry_run"])]
    pub(crate) clean: bool,
    /// How long a read may take to show what was written: forward and effect lifetime together
    #[arg(long, default_value = "40s", value_parser = Span::parse, value_name = "DURATION")]
    pub(crate) patience: Span,
}

/// `local`
#[derive(Debug, Subcommand)]
pub(crate) enum Local {
    /// Serve a local cloud until interrupted; prints `ready http://HOST:PORT`
    Up(LocalUp),
    /// Push an image to a running local cloud, as `docker push` would to ECR
    Push(LocalPush),
    /// List where the listeners of a running local cloud can be reached
    Ports(Endpoint),
    /// List what was posted to its Slack webhook
    Slack(Endpoint),
    /// List every call that changed something, and who made it
    Journal(Endpoint),
    /// Make calls fail, come late, or kill their function: faults by caller, service, operation and number
    #[command(subcommand)]
    Fault(LocalFault),
}

/// `local fault`
#[derive(Debug, Subcommand)]
pub(crate) enum LocalFault {
    /// Strike calls from now on
    Add(LocalFaultAdd),
    /// List the faults, how many calls each has seen, and how many it struck
    List(Endpoint),
    /// End one fault, or all
    Clear(LocalFaultClear),
}

/// What a fault does, for the help.
const FAULTS: &str = "\
What a fault does:
  kill-before       SIGKILL to the process that calls; the call has no effect
  kill-after        the call takes effect, then SIGKILL to the process that called
  throttle          the service's own answer to too many requests; no effect
  deny              what a role without the permission is told; no effect
  fail              the service's own 5XX; no effect
  fail-after        the same, but the call takes effect: its answer was lost
  late[=TIME]       no answer; the effect comes TIME after the caller has given up (default: 1s)
  answer-late=TIME  the effect comes at once, the answer TIME later (such as 800ms or 6s)

Services: ecs, elb, cloudwatch, autoscaling, ecr, sqs, sns, secretsmanager, sts, dynamodb, slack.

Example: the second write of weights by advance is lost after it took effect
  flipback local fault add fail-after elb:ModifyRule --caller advance --nth 2";

/// `local fault add`
#[derive(Debug, ClapArgs)]
#[command(after_help = FAULTS)]
pub(crate) struct LocalFaultAdd {
    /// What happens to the calls, see below
    pub(crate) effect: String,
    /// Which calls: SERVICE:OPERATION, or SERVICE for all of its operations, or `*`
    pub(crate) call: String,
    /// Only calls of this function, such as `advance`, or of `user:KEY`
    #[arg(long, default_value = "*", hide_default_value = true)]
    pub(crate) caller: String,
    /// Strike only the nth of these calls, counted from now
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "every", "times"], value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) nth: Option<u64>,
    /// Begin with the nth of these calls
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from: u64,
    /// Strike only each nth of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// Strike so many and no more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) times: Option<u64>,
    /// Where.
    #[command(flatten)]
    pub(crate) at: Endpoint,
}

/// `local fault clear`
#[derive(Debug, ClapArgs)]
pub(crate) struct LocalFaultClear {
    /// The fault's number in the list (default: all of them)
    pub(crate) id: Option<u64>,
    /// Where.
    #[command(flatten)]
    pub(crate) at: Endpoint,
}

/// `local up`
#[derive(Debug, ClapArgs)]
pub(crate) struct LocalUp {
    /// Where to listen, on loopback; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "HOST:PORT")]
    pub(crate) listen: SocketAddr,
    /// Where the functions' binaries are (default: beside this program)
    #[arg(long, value_name = "DIR", conflicts_with = "bare")]
    pub(crate) functions: Option<PathBuf>,
    /// Start no functions
    #[arg(long)]
    pub(crate) bare: bool,
    /// How fast the world is: `quick` tells a story in seconds, `aws` takes as long as AWS
    #[arg(long, value_enum, default_value_t = Pace::Quick)]
    pub(crate) pace: Pace,
    /// Set up a service with two colours to play with: NAME-blue, which serves NAME:1.0.0, and NAME-green; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Vec<String>,
    /// Set up one service that ECS's own blue/green deploys: NAME, which serves NAME:1.0.0; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) native: Vec<String>,
    /// How long what ECS counts in whole minutes takes: bakes, steps, timeouts of hooks (default: 2s, with --pace aws 60s)
    #[arg(long, value_parser = Span::parse, value_name = "DURATION")]
    pub(crate) minute: Option<Span>,
    /// Write the examples' flipback.yaml to this file, over what is there (default: it is printed)
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Do not copy the functions' logs to stderr
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Run schedules so many times as often as the template says; nothing else gets faster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) schedule_speed: u32,
    /// Write every API call to DIR/calls.jsonl, as it was on the wire
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
}

/// `local push`
#[derive(Debug, ClapArgs)]
pub(crate) struct LocalPush {
    /// The repository
    #[arg(value_name = "NAME")]
    pub(crate) repository: String,
    /// The image's tag
    pub(crate) tag: String,
    /// How its tasks behave, such as `5xx=30`, `unhealthy after=20s` or `crash` (default: well)
    #[arg(long, value_name = "MANNERS", default_value = "", hide_default_value = true)]
    pub(crate) manners: String,
    /// Where.
    #[command(flatten)]
    pub(crate) at: Endpoint,
}

/// How fast the local world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pace {
    /// Tasks start, metrics arrive and margins pass within seconds
    Quick,
    /// As on AWS
    Aws,
}

/// Which running local cloud is asked.
#[derive(Debug, ClapArgs)]
pub(crate) struct Endpoint {
    /// The local cloud's address (default: AWS_ENDPOINT_URL where that is set, else http://127.0.0.1:4566)
    #[arg(
        long,
        env = "AWS_ENDPOINT_URL",
        default_value = "http://127.0.0.1:4566",
        value_name = "URL",
        hide_env = true,
        hide_default_value = true
    )]
    pub(crate) endpoint: String,
}

/// A number of docs/assumptions.md.
fn belief_number(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "write numbers of docs/assumptions.md, such as 3 or 3,12".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_is_as_it_was_read_last() {
        let mut command = Args::command().term_width(100);
        let mut pages = vec![command.render_help().to_string()];
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names {
            if let Some(sub) = command.find_subcommand_mut(&name) {
                pages.push(format!("==== {name}\n{}", sub.render_help()));
                for sub in sub.get_subcommands_mut() {
                    let name = format!("{name} {}", sub.get_name());
                    pages.push(format!("==== {name}\n{}", sub.render_help()));
                    for sub in sub.get_subcommands_mut() {
                        pages.push(format!("==== {name} {}\n{}", sub.get_name().to_owned(), sub.render_help()));
                    }
                }
            }
        }
        insta::assert_snapshot!(pages.join("\n"));
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        for line in [
            "flipback deploy shop",
            "flipback status --timeout 3m",
            "flipback wait shop --timeout 3",
            "flipback local up --bare --functions x",
            "flipback local fault add fail elb --nth 2 --times 3",
            "flipback local fault add fail elb --nth 0",
            "flipback remove",
            "flipback history shop --inputs",
            "flipback nonsense",
        ] {
            let error = Args::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in ["flipback --json --stack a status", "flipback status --stack a --json"] {
            let args = Args::try_parse_from(line.split(' ')).expect(line);
            assert!(args.global.json && args.global.stack == "a", "{line}");
        }
    }
}
