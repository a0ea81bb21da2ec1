// swift-tools-version:6.2
import PackageDescription

// Built with `--sanitize fuzzer`, which no other target could be built with: so this is a package of its own. The rooms it tries are the
// product's own files, by links.

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// libFuzzer has a `main` of its own.
let fuzzer = swiftSettings + [.unsafeFlags(["-parse-as-library"])]

let package = Package(
    name: "fuzz",
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "5.0.1"),
    ],
    targets: [
        .target(name: "Domain", dependencies: [.product(name: "Crypto", package: "swift-crypto")], swiftSettings: swiftSettings),
        .target(name: "Providers", dependencies: ["Domain"], swiftSettings: swiftSettings),
        .target(name: "RunnerAPI", dependencies: ["Domain"], swiftSettings: swiftSettings),
        .executableTarget(name: "FuzzDelivery", dependencies: ["Domain", "Providers"], swiftSettings: fuzzer),
        .executableTarget(name: "FuzzConfiguration", dependencies: ["Domain", "Yams"], swiftSettings: fuzzer),
        .executableTarget(name: "FuzzRunner", dependencies: ["Domain", "RunnerAPI"], swiftSettings: fuzzer),
    ]
)
