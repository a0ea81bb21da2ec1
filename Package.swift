// swift-tools-version:6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0335-existential-any.md
    .enableUpcomingFeature("ExistentialAny"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0409-access-level-on-imports.md
    .enableUpcomingFeature("InternalImportsByDefault"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0444-member-import-visibility.md
    .enableUpcomingFeature("MemberImportVisibility"),
    // Without it, async helpers silently leave the worker's queue:
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0461-async-function-isolation.md
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "bittern",
    products: [
        .executable(name: "bittern", targets: ["bittern"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "5.0.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // The pure rooms: values in, values out.
        .target(
            name: "Domain",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "Providers",
            dependencies: ["Domain"],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "ControlAPI",
            dependencies: ["Domain"],
            swiftSettings: swiftSettings
        ),

        .target(
            name: "RunnerAPI",
            dependencies: ["Domain"],
            swiftSettings: swiftSettings
        ),

        // The rooms that touch one thing each.
        .target(name: "CSQLite"),
        .target(
            name: "Storage",
            dependencies: [
                "CSQLite", "Domain",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(name: "CLinux"),
        .target(
            name: "Exec",
            dependencies: [
                "CLinux", "Domain",
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: swiftSettings
        ),
        .systemLibrary(
            name: "CSystemd",
            pkgConfig: "libsystemd",
            providers: [.apt(["libsystemd-dev"])]
        ),
        .target(
            name: "Systemd",
            dependencies: ["CSystemd", .product(name: "Logging", package: "swift-log")],
            swiftSettings: swiftSettings
        ),

        // The configuration on the disk.
        .target(
            name: "Settings",
            dependencies: ["Domain", "Exec", .product(name: "Yams", package: "Yams")],
            swiftSettings: swiftSettings
        ),

        // The privileged runner and the steps it starts; no socket of the network, no ledger.
        .target(
            name: "Runner",
            dependencies: [
                "CLinux", "Domain", "Exec", "RunnerAPI", "Settings", "Systemd", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings
        ),

        // Connects them and decides little.
        .target(
            name: "Daemon",
            dependencies: [
                "ControlAPI", "Domain", "Exec", "Providers", "RunnerAPI", "Settings", "Storage", "Systemd",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "bittern",
            dependencies: [
                "ControlAPI", "Daemon", "Domain", "Exec", "Runner", "Settings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: swiftSettings
        ),

        // Times the ledger for `make bench`.
        .executableTarget(
            name: "ledger-bench", dependencies: ["Domain", "Storage"], path: "benchmarks/ledger-bench", swiftSettings: swiftSettings),
        // Takes deliveries in without a listener, to have its instructions counted by `make accept-count`.
        .executableTarget(
            name: "accept-count", dependencies: ["Domain", "Providers", "Storage"], path: "benchmarks/accept-count",
            swiftSettings: swiftSettings),
        // Makes bittern(1) of what `bittern` says in its help, for `make man`.
        .executableTarget(name: "manual", path: "packaging/manual", swiftSettings: swiftSettings),

        // What the tests of several rooms share: a real git host, web server, ssh daemon, and the real bittern.
        .target(
            name: "RealParts",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Tests/RealParts",
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "HouseTests", swiftSettings: swiftSettings),
        .testTarget(name: "DomainTests", dependencies: ["Domain", "RealParts"], swiftSettings: swiftSettings),
        .testTarget(
            name: "ProvidersTests", dependencies: ["Domain", "Providers", "RealParts"], exclude: ["Fixtures"], swiftSettings: swiftSettings),
        .testTarget(
            name: "StorageTests",
            dependencies: [
                "Domain", "RealParts", "Storage",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            exclude: ["Ledgers"],
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "ExecTests", dependencies: ["Domain", "Exec", "RealParts"], swiftSettings: swiftSettings),
        .testTarget(name: "SettingsTests", dependencies: ["Domain", "RealParts", "Settings"], swiftSettings: swiftSettings),
        .testTarget(
            name: "RunnerTests", dependencies: ["Domain", "Exec", "RealParts", "Runner", "RunnerAPI", "Systemd", "bittern"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "SystemdTests",
            dependencies: ["Systemd", .product(name: "Logging", package: "swift-log")],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "Daemon", "Domain", "Exec", "RealParts", "Storage",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "RealPartsTests", dependencies: ["RealParts"], swiftSettings: swiftSettings),
        // Runs only when it is told how many rounds.
        .testTarget(
            name: "TortureTests",
            dependencies: ["RealParts", "bittern", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: swiftSettings
        ),
        // The binaries themselves: SwiftPM builds them along because the tests depend on them.
        .testTarget(
            name: "EndToEndTests", dependencies: ["RealParts", "bittern", "manual"], exclude: ["Golden"], swiftSettings: swiftSettings),
    ]
)
