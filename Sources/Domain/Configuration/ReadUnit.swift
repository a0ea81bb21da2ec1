extension MappingReader {
    /// Of an app or of `defaults`.
    func unitSettings() -> UnitSettings {
        var unit = UnitSettings()
        unit.user = self["user"]?.systemAccount("a user's name")
        unit.allowsRoot = self["allow_root"]?.flag() ?? false
        if unit.user == "root", !unit.allowsRoot { refuse(["user"], "is root (add `allow_root: true`, or choose another user)") }
        if findings.runner == .child {
            warn(["user", "allow_root", "limits"], "has no effect with `runner: child`, whose steps run as the daemon does")
        }
        guard let limits = self["limits"]?.mapping(.limits) else { return unit }
        unit.memory = limits["memory"]?.size(in: 1 << 20...SizeText.limit)
        unit.processor = limits["cpu"]?.percentage()
        unit.tasks = limits["tasks"]?.wholeNumber(in: 1...4_194_304)
        return unit
    }
}

extension ConfigurationField {
    func systemAccount(_ right: String) -> String? {
        guard let text = text(right) else { return nil }
        return NameText.isAccountOfSystem(text) ? text : refused(text, mustBe: right)
    }

    func runner() -> Configuration.RunnerKind? {
        choice(Configuration.RunnerKind.allCases.map(\.rawValue)).flatMap(Configuration.RunnerKind.init)
    }

    func runnerRoots() -> [String]? {
        items("a list of directories")?.compactMap { $0.path("a directory") }
    }

    fileprivate func percentage() -> Int? {
        let right = "a share of one processor, such as 200%"
        guard let text = text(right) else { return nil }
        guard text.hasSuffix("%"), let share = UnitText.number(text.dropLast(), atMost: 1_000_000), share > 0 else {
            return refused(text, mustBe: right)
        }
        return share
    }
}
