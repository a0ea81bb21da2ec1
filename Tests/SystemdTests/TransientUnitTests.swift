import Testing

@testable import Systemd

struct TransientUnitTests {
    private func unit(_ change: (inout TransientUnit) -> Void = { _ in }) -> [String: TransientUnit.Value] {
        var unit = TransientUnit(
            name: "bittern-1-1-2.service", description: "x", program: ["/usr/bin/bittern", "step"], user: "shop", directory: "/",
            slice: "bittern-build.slice", descriptors: [7, 8, 9])
        change(&unit)
        return Dictionary(unit.properties.map { ($0.name, $0.value) }) { first, _ in first }
    }

    @Test("every unit is shut in, stays until it was looked at, and has the three descriptors in their order")
    func always() {
        let properties = unit()
        let wanted: [String: TransientUnit.Value] = [
            "User": .text("shop"), "RemainAfterExit": .flag(true), "NoNewPrivileges": .flag(true), "ProtectSystem": .text("strict"),
            "PrivateTmp": .flag(true), "LimitCORE": .number(0), "OOMPolicy": .text("kill"), "PrivateNetwork": .flag(false),
            "StandardInputFileDescriptor": .descriptor(7), "StandardOutputFileDescriptor": .descriptor(8),
            "StandardErrorFileDescriptor": .descriptor(9),
        ]
        for (name, value) in wanted { #expect(properties[name] == value, "\(name)") }
        for name in ["MemoryMax", "CPUQuotaPerSecUSec", "TasksMax", "RuntimeMaxUSec", "LimitFSIZE"] {
            #expect(properties[name] == nil, "\(name)")
        }
    }

    @Test("limits are given in the manager's own measures, and what is not there is no reason not to start")
    func limits() {
        let properties = unit {
            ($0.memory, $0.processor, $0.tasks, $0.runtime) = (2 << 30, 150, 512, .milliseconds(1500))
            ($0.writable, $0.inaccessible, $0.hasNetwork) = (["/srv/shop"], ["/srv/rival"], false)
            ($0.emptied, $0.bound, $0.fileSize) = (["/var/lib/x"], ["/var/lib/x/mirror"], 32 << 30)
        }
        #expect(properties["TemporaryFileSystem"] == .emptied(["/var/lib/x"]))
        #expect(properties["BindReadOnlyPaths"] == .bound(["/var/lib/x/mirror"]))
        #expect(properties["LimitFSIZE"] == .number(32 << 30))
        #expect(properties["MemoryMax"] == .number(2 << 30))
        #expect(properties["CPUQuotaPerSecUSec"] == .number(1_500_000))
        #expect(properties["TasksMax"] == .number(512))
        #expect(properties["RuntimeMaxUSec"] == .number(1_500_000))
        #expect(properties["ReadWritePaths"] == .list(["/srv/shop"]))
        #expect(properties["InaccessiblePaths"] == .list(["-/srv/rival"]))
        #expect(properties["PrivateNetwork"] == .flag(true))
    }

    @Test("a program has ended when its unit failed, went away or only remains, and not while it waits for the manager")
    func ended() {
        for (active, sub, hasEnded, hasBegun) in [
            ("activating", "start", false, true), ("active", "running", false, true), ("active", "exited", true, true),
            ("failed", "failed", true, true), ("inactive", "dead", true, true), ("deactivating", "stop-sigterm", false, true),
            ("inactive", "dead", false, false),
        ] {
            let state = UnitState(
                active: active, sub: sub, result: "success", code: 0, status: 0, processorTime: nil, hasBegun: hasBegun)
            #expect(state.hasEnded == hasEnded, "\(active) \(sub)")
        }
    }
}
