/// A part of the pipeline that the user fills with commands.
enum StepSection: String {
    case build
    case preDeploy = "pre-deploy"
    case deploy

    /// What the command in this place is called when it has no name.
    func defaultName(_ index: Int) -> String { "\(rawValue)-\(index + 1)" }
}

/// Reads the commands of one app, whose steps have one space of names.
struct StepsReader {
    /// Those a build step may list; nil: not known here.
    let secretNames: Set<String>?
    /// The limit of the whole job; nil: not known, because what was written is no time.
    let jobTimeout: Duration?
    private var taken: [String: SourcePosition] = [:]

    init(secretNames: Set<String>?, jobTimeout: Duration?) {
        self.secretNames = secretNames
        self.jobTimeout = jobTimeout
    }

    mutating func read(_ field: ConfigurationField, _ section: StepSection) -> [CommandStep] {
        guard let items = field.items("a list of commands") else { return [] }
        var steps: [CommandStep] = []
        for (index, item) in items.enumerated() {
            if let step = step(item, section, index) { steps.append(step) }
        }
        return steps
    }

    private mutating func step(_ item: ConfigurationField, _ section: StepSection, _ index: Int) -> CommandStep? {
        let standard = section.defaultName(index)
        guard case .mapping = item.tree.value else {
            let run = item.command()
            let isFree = take(standard, item)
            guard let run, isFree else { return nil }
            return CommandStep(name: standard, run: run)
        }
        guard let mapping = item.mapping(.step) else { return nil }
        let name = mapping["name"] == nil ? standard : mapping["name"]?.nameText()
        let isFree = name.map { take($0, mapping["name"] ?? item) } ?? false
        let run = mapping.required("run", "a command")?.command()
        let timeout = mapping["timeout"]?.stepTimeout(atMost: jobTimeout)
        let environment = mapping["env"]?.environment() ?? [:]
        let secrets = secrets(mapping, section, environment)
        let network = mapping["network"]?.choice(["on", "off"])
        if network == "off", mapping.findings.runner == .child { mapping.refuse(["network"], "can be off only with `runner: systemd`") }
        mapping.checkRest(of: section)
        guard let name, let run, isFree else { return nil }
        var step = CommandStep(
            name: name, run: run, timeout: timeout, environment: environment, secrets: secrets,
            isInRollbacks: mapping["rollback"]?.flag() ?? true)
        step.hasNetwork = network != "off"
        return step
    }

    /// Reports a name that is not free.
    private mutating func take(_ name: String, _ field: ConfigurationField) -> Bool {
        if Plan.isReserved(name) {
            field.report("\(quoted(name)) is the name of a built-in step (choose another)")
            return false
        }
        if let first = taken[name] {
            field.report("two steps are called \(quoted(name)) (the first in line \(first.line); give one another name)")
            return false
        }
        taken[name] = field.position
        return true
    }

    private func secrets(_ mapping: MappingReader, _ section: StepSection, _ environment: [String: String]) -> [String] {
        guard let field = mapping["secrets"] else { return [] }
        guard section == .build else {
            mapping.refuse(["secrets"], "belongs to build steps (other steps have all secrets of the app; leave it out)")
            return []
        }
        var names: [String] = []
        for item in field.items("a list of names out of `secrets` of the app") ?? [] {
            guard let name = item.text("a name out of `secrets` of the app"), check(name, item, environment) else { continue }
            if names.contains(name) {
                item.report("\(quoted(name)) is listed twice")
            }
            names.append(name)
        }
        return names
    }

    private func check(_ name: String, _ item: ConfigurationField, _ environment: [String: String]) -> Bool {
        if let secretNames, !secretNames.contains(name) {
            let near = Spelling.nearest(to: name, among: secretNames.sorted())
            let hint = near.map { "did you mean \(quoted($0))?" } ?? "add it to `secrets` of the app"
            item.report("unknown secret \(quoted(name)) (\(hint))")
            return false
        }
        if environment[name] != nil {
            item.report("\(quoted(name)) is in `env` and in `secrets` of this step (keep one of them)")
            return false
        }
        return true
    }
}

extension ConfigurationField {
    /// What `/bin/sh -euc` gets; may have several lines.
    func command() -> String? {
        guard let text = anyText("a command") else { return nil }
        guard text.contains(where: { !$0.isWhitespace }) else {
            return refused("`\(name)` holds an empty command (write one, or leave it out)")
        }
        return text
    }

    fileprivate func stepTimeout(atMost limit: Duration?) -> Duration? {
        guard let timeout = duration() else { return nil }
        if let limit, timeout > limit {
            return refused("`\(name)` of a step is longer than that of the whole job (raise `timeout` of the app)")
        }
        return timeout
    }
}

extension MappingReader {
    fileprivate func checkRest(of section: StepSection) {
        if section != .deploy { refuse(["rollback"], "belongs to deploy steps") }
    }
}
