//! What ELB answers about rules and listeners.

#[path = "../../aws/src/routes/xml.rs"]
mod xml;

/// A rule as ELB tells it; an element put in at a `@` is one that this release does not know.
const RULE: &str = "<R><S><Rules><member><RuleArn>arn:r1</RuleArn><Actions>@<member>@<Type>forward</Type><ForwardConfig>@\
    <TargetGroups>@<member>@<TargetGroupArn>arn:b@</TargetGroupArn><Weight>90</Weight></member></TargetGroups>\
    <TargetGroupStickinessConfig>@<Enabled>false</Enabled></TargetGroupStickinessConfig></ForwardConfig></member><member>\
    <AuthenticateOidcConfig>@<AuthenticationRequestExtraParams>@<entry>@<key>k</key></entry>\
    </AuthenticationRequestExtraParams></AuthenticateOidcConfig></member></Actions></member></Rules></S></R>";

/// An answer of any shape is read or refused in words; an element that is new is found wherever it stands below an action.
pub fn answer(data: &[u8]) {
    read(data);
    // The bytes as a rule's actions, since bytes seldom find their way so deep.
    read(
        &[b"<R><S><Rules><member><RuleArn>a</RuleArn><Actions>", data, b"</Actions></member></Rules></S></R>"].concat(),
    );
    let Some((&place, name)) = data.split_first() else { return };
    let name: String =
        name.iter().filter(|byte| byte.is_ascii_alphanumeric()).take(40).map(|&b| char::from(b)).collect();
    let places: Vec<&str> = RULE.split('@').collect();
    let at = 1 + usize::from(place) % (places.len() - 1);
    let element = if place & 64 == 0 { format!("<New{name}/>") } else { format!("<New{name}>1</New{name}>") };
    let answer = format!("{}{element}{}", places[..at].concat(), places[at..].concat());
    let found = xml::unknown_elements(answer.as_bytes()).expect("it is XML");
    assert_eq!(found.get("arn:r1"), Some(&vec![format!("New{name}")]), "{answer}");
    assert_eq!(xml::unknown_elements(places.concat().as_bytes()), Ok(Default::default()));
}

fn read(data: &[u8]) {
    match xml::unknown_elements(data) {
        Ok(found) => assert!(found.values().all(|names| !names.is_empty())),
        Err(why) => assert!(why.contains("no XML")),
    }
}
