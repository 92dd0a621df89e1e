//! Subnets, their addresses, and the account's quota of Fargate.

use super::*;

fn free(stage: &mut Stage, id: &str) -> u64 {
    let filter = json!([{ "Name": "subnet-id", "Values": [id] }]);
    let answer = stage.ok(Service::Ec2, "DescribeSubnets", json!({ "Filters": filter }));
    answer["Subnets"][0]["AvailableIpAddressCount"].as_u64().expect("a count")
}

fn network(subnets: &[&str]) -> Value {
    json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": subnets } } })
}

fn unable(stage: &mut Stage, why: &str) -> usize {
    let events = stage.look("blue")["events"].as_array().cloned().unwrap_or_default();
    events.iter().filter(|event| text(&event["message"]).contains(why)).count()
}

fn running(stage: &mut Stage) -> u64 {
    stage.look("blue")["runningCount"].as_u64().unwrap_or_default()
}

#[test]
fn tasks_take_addresses_of_their_subnets_and_give_them_back() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, network(&["a", "b"]));
    assert_eq!((free(&mut stage, "a"), free(&mut stage, "b")), (4_090, 4_090), "one task each");
    let arns = stage.ok(Service::Ecs, "ListTasks", json!({ "cluster": "prod" }))["taskArns"].clone();
    let tasks = stage.ok(Service::Ecs, "DescribeTasks", json!({ "cluster": "prod", "tasks": arns }));
    let places: Vec<(String, String)> = tasks["tasks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|task| (text(&task["availabilityZone"]), text(&task["attachments"][0]["details"][0]["value"])))
        .collect();
    assert!(places.contains(&("us-east-1a".to_owned(), "a".to_owned())), "{places:?}");
    assert!(places.contains(&("us-east-1b".to_owned(), "b".to_owned())), "{places:?}");
    stage.update("blue", json!({ "desiredCount": 0 }));
    stage.pass(20_000);
    assert_eq!((free(&mut stage, "a"), free(&mut stage, "b")), (4_091, 4_091));
}

#[test]
fn without_an_address_no_task_is_placed_whatever_deploys_it() {
    for native in [false, true] {
        let mut stage = Stage::new();
        let group = stage.blue.clone();
        let mut extra = network(&["a", "b"]);
        if native {
            extra["deploymentConfiguration"] = json!({ "strategy": "ROLLING" });
        }
        stage.service("blue", &group, extra);
        stage.world.take_addresses("a", 4_090);
        stage.world.take_addresses("b", 4_089);
        stage.update("blue", json!({ "desiredCount": 6 }));
        stage.pass(20_000);
        assert_eq!(running(&mut stage), 3, "one more in b");
        assert!(unable(&mut stage, "InsufficientFreeAddressesInSubnet") > 0);
        stage.world.take_addresses("a", 0);
        stage.pass(20_000);
        assert_eq!(running(&mut stage), 6);
        assert_eq!(free(&mut stage, "b"), 0);
    }
}

#[test]
fn beyond_the_quota_no_task_is_placed() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    // Tasks of a quarter of a vCPU.
    stage.world.set_vcpu_quota(1);
    stage.update("blue", json!({ "desiredCount": 6 }));
    stage.pass(20_000);
    assert_eq!(running(&mut stage), 4);
    assert!(unable(&mut stage, "limit on the number of vCPUs") > 0);
    stage.world.set_vcpu_quota(2);
    stage.pass(20_000);
    assert_eq!(running(&mut stage), 6);
}

#[test]
fn ecs_s_own_blue_green_waits_for_addresses_too() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, network(&["a"]));
    let strategy = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1 });
    let (green, rule) = (stage.green.clone(), stage.rule.clone());
    let balancers = json!([{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080,
        "advancedConfiguration": { "alternateTargetGroupArn": green, "productionListenerRule": rule, "roleArn": "arn:aws:iam::1:role/ecs" } }]);
    stage.world.take_addresses("a", 4_089);
    stage.push("v2", "");
    stage.define("v2");
    stage.update(
        "blue",
        json!({ "deploymentConfiguration": strategy, "loadBalancers": balancers, "taskDefinition": "api" }),
    );
    stage.pass(20_000);
    assert_eq!(running(&mut stage), 2, "none of the new");
    assert_eq!(unable(&mut stage, "InsufficientFreeAddressesInSubnet"), 1);
    stage.world.take_addresses("a", 0);
    stage.pass(60_000);
    assert_eq!(unable(&mut stage, "InsufficientFreeAddressesInSubnet"), 1);
    assert!(text(&stage.look("blue")["taskDefinition"]).ends_with(":2"));
    assert!(running(&mut stage) >= 2);
}

#[test]
fn subnets_are_made_found_and_deleted() {
    let mut stage = Stage::bare();
    let small = json!({ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/28", "AvailabilityZone": "us-east-1c" });
    let made = stage.ok(Service::Ec2, "CreateSubnet", small)["Subnet"].clone();
    assert_eq!((&made["AvailableIpAddressCount"], &made["AvailabilityZone"]), (&json!(11), &json!("us-east-1c")));
    let id = text(&made["SubnetId"]);
    let describe =
        |stage: &mut Stage, input: Value| stage.ok(Service::Ec2, "DescribeSubnets", input)["Subnets"].clone();
    assert_eq!(describe(&mut stage, json!({ "SubnetIds": [id] }))[0], made);
    let none = json!({ "Filters": [{ "Name": "subnet-id", "Values": ["subnet-none"] }] });
    assert_eq!(describe(&mut stage, none), json!([]), "a filter leaves out what there is not");
    let refusals = [
        ("DescribeSubnets", json!({ "SubnetIds": ["subnet-none"] }), "InvalidSubnetID.NotFound"),
        ("DescribeSubnets", json!({ "Filters": [{ "Name": "colour", "Values": ["red"] }] }), "InvalidParameterValue"),
        (
            "DescribeSubnets",
            json!({ "Filters": [{ "Name": "subnet-id", "Values": vec!["x"; 201] }] }),
            "FilterLimitExceeded",
        ),
        ("CreateSubnet", json!({ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/29" }), "InvalidSubnet.Range"),
        (
            "CreateSubnet",
            json!({ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "x" }),
            "InvalidParameterValue",
        ),
        ("CreateSubnet", json!({ "CidrBlock": "10.0.0.0/24" }), "MissingParameter"),
        ("DeleteSubnet", json!({ "SubnetId": "subnet-none" }), "InvalidSubnetID.NotFound"),
        ("RunInstances", json!({}), "InvalidAction"),
    ];
    for (operation, input, code) in refusals {
        assert_eq!(stage.refused(Service::Ec2, operation, input), code, "{operation}");
    }
    stage.world.take_addresses(&id, 1);
    assert_eq!(stage.refused(Service::Ec2, "DeleteSubnet", json!({ "SubnetId": id })), "DependencyViolation");
    stage.world.take_addresses(&id, 0);
    stage.ok(Service::Ec2, "DeleteSubnet", json!({ "SubnetId": id }));
    assert_eq!(describe(&mut stage, json!({})), json!([]));
}

#[test]
fn the_quota_is_told_beside_what_is_used_of_it() {
    let mut stage = Stage::new();
    let group = stage.blue.clone();
    stage.service("blue", &group, json!({}));
    stage.world.set_vcpu_quota(30);
    let target = json!({ "ServiceNamespace": "ecs", "ResourceId": "service/prod/blue", "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1, "MaxCapacity": 4 });
    stage.ok(Service::AutoScaling, "RegisterScalableTarget", target);
    stage.pass(130_000);
    let mut read = |metric: &str, expression: &str| {
        let all = [("Class", "Standard/OnDemand"), ("Resource", "vCPU"), ("Service", "Fargate"), ("Type", "Resource")];
        let dimensions = all.map(|(name, value)| json!({ "Name": name, "Value": value }));
        let metric = json!({ "Namespace": metric, "MetricName": "ResourceCount", "Dimensions": dimensions });
        let queries = json!([{ "Id": "usage", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "Maximum" } },
            { "Id": "quota", "Expression": expression }]);
        let (from, until) = (time(stage.now - 600_000), time(stage.now));
        let input = json!({ "MetricDataQueries": queries, "StartTime": from, "EndTime": until });
        stage.call(Service::CloudWatch, "GetMetricData", input)
    };
    let answer = read("AWS/Usage", "SERVICE_QUOTA(usage)").expect("both");
    let value = |place: usize| answer["MetricDataResults"][place]["Values"][0].clone();
    assert_eq!((value(0), value(1)), (json!(0.5), json!(30.0)));
    for (metric, expression) in [("AWS/ECS", "SERVICE_QUOTA(usage)"), ("AWS/Usage", "SERVICE_QUOTA(other)")] {
        assert!(read(metric, expression).is_err(), "{metric} {expression}");
    }
}

fn time(at: Millis) -> Value {
    json!(crate::time::iso(at))
}
