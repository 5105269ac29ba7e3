//! Archives read back as they were built, are stable, and have the bytes Coder documents.

use echo_archive::{Agent, App, Archive, Outcome, Parameter, Phase, Responses, Transition};

fn read(archive: &Archive) -> Responses {
    Responses::read(&archive.build()).unwrap()
}

#[test]
fn a_plain_archive_is_five_tiny_files() {
    let expected: [(&str, &[u8]); 5] = [
        ("0.apply.protobuf", &[0x2a, 0x00]),
        ("0.graph.protobuf", &[0x32, 0x00]),
        ("0.init.protobuf", &[0x1a, 0x00]),
        ("0.parse.protobuf", &[0x12, 0x00]),
        ("0.plan.protobuf", &[0x22, 0x04, 0x1a, 0x02, 0x7b, 0x7d]),
    ];
    let entries = Archive::plain().entries();
    let entries: Vec<(&str, &[u8])> =
        entries.iter().map(|(path, content)| (path.as_str(), &content[..])).collect();
    assert_eq!(entries, expected);
}

#[test]
fn equal_archives_have_equal_bytes() {
    let build = || Archive::plain().agent(Agent::new("example")).file("modules/a/main.tf", "# a\n").build();
    assert_eq!(build(), build());
}

#[test]
fn what_was_built_reads_back() {
    let archive = Archive::plain()
        .agent(Agent::new("example").platform("linux", "amd64").app(App::new(
            "code",
            "code-server",
            "http://localhost",
        )))
        .parameter(Parameter::number("cpu").range(1, 8))
        .parameter(Parameter::string("region").default("eu").mutable())
        .preset("small", &[("cpu", "2")])
        .file("main.tf", "# my own\n")
        .log(Phase::Apply, "making it");
    let responses = read(&archive);
    let (_, Outcome::Done(graph)) = responses.run(Phase::Graph, None) else { panic!("the graph ends well") };
    assert_eq!(graph.resources[0].agents[0].apps[0].slug, "code");
    assert!(graph.parameters[0].required && !graph.parameters[1].required);
    assert!(responses.declares("cpu") && responses.declares("region") && !responses.declares("disk"));
    assert_eq!(graph.presets[0].parameters[0].value, "2");
    let (logs, outcome) = responses.run(Phase::Apply, Some(Transition::Start));
    assert_eq!(logs[0].output, "making it");
    assert!(matches!(outcome, Outcome::Done(_)));
}

#[test]
fn failures_can_depend_on_the_transition() {
    let responses = read(&Archive::plain().fail_on(Phase::Apply, Transition::Delete, "stuck"));
    assert!(matches!(responses.run(Phase::Apply, Some(Transition::Start)).1, Outcome::Done(_)));
    assert_eq!(responses.run(Phase::Apply, Some(Transition::Delete)).1, Outcome::Failed("stuck".into()));
}

#[test]
fn a_hanging_phase_has_no_end() {
    let responses = read(&Archive::plain().hang(Phase::Apply));
    assert_eq!(responses.run(Phase::Apply, Some(Transition::Start)).1, Outcome::Hangs);
}

#[test]
fn an_archive_of_something_else_fails_in_its_first_phase() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    builder.append_data(&mut header, "main.tf", &[][..]).unwrap();
    let responses = Responses::read(&builder.into_inner().unwrap()).unwrap();
    assert!(matches!(responses.run(Phase::Init, None).1, Outcome::Failed(_)));
}

#[test]
fn terraform_declares_each_parameter_once() {
    let own = "data \"coder_parameter\" \"cpu\" {\n  name = \"cpu\"\n}\n";
    let archive = Archive::plain().parameter(Parameter::number("cpu")).parameter(Parameter::string("region"));
    let main = |archive: Archive| String::from_utf8(archive.entries().remove("main.tf").unwrap()).unwrap();
    let generated = main(archive.clone());
    assert_eq!(generated.matches("coder_parameter").count(), 2, "{generated}");
    let complemented = main(archive.file("main.tf", own));
    assert!(complemented.starts_with(own), "{complemented}");
    assert_eq!(complemented.matches("\"cpu\" {").count(), 1, "{complemented}");
}
