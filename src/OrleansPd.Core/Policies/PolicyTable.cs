namespace OrleansPd.Core.Policies;

/// <summary>
/// All policies. A new policy is its own file and one line here; flags, messages and docs/control-plane.md are made of this
/// table.
/// </summary>
public static class PolicyTable
{
    public static IReadOnlyList<PolicyEntry> All { get; } =
    [
        new("cache_aware", "the rank that is done soonest: tokens queued there + tokens of this prompt not cached there",
            "prefill",
            options => new CacheAwarePolicy(options.PrefixIndexBlocks)) { OnDecode = "least_load", Replaces = "prefix_hash" },
        new("least_load", "the rank with the fewest tokens: prefill, outstanding uncached ones; decode, KV tokens and 512 for "
            + "each request", "decode", _ => new LeastLoadPolicy()) { Replaces = "bucket" },
        new("power_of_two", "the less loaded of two ranks chosen at random", "many workers, several gateways",
            _ => new PowerOfTwoPolicy()),
        new("round_robin", "ranks in rotation", "equal requests", _ => new RoundRobinPolicy()),
        new("random", "any rank with room", "comparison", _ => new RandomPolicy()),
        new("consistent_hashing",
            "the worker that the session key hashes to; without a key, the worker that the prompt's first block hashes to, "
            + "unless another has less load by more than this prompt's tokens",
            "sessions, several gateways that agree without messages", _ => new ConsistentHashingPolicy()),
        new("session", "the same rank for the same session key, while that rank can be used", "sessions in one gateway",
            _ => new SessionPolicy()) { Replaces = "manual" },
    ];

    public static IReadOnlyList<string> Names { get; } = [.. All.Select(policy => policy.Name)];

    /// <summary>All names, for help texts and messages.</summary>
    public static string NameList { get; } = string.Join(", ", Names);

    /// <summary>Null when a policy has that name; else the rest of a sentence that begins with the name.</summary>
    public static string? Problem(string name) => Find(name) is not null ? null
        : $"is none of {NameList}" + (All.FirstOrDefault(policy => policy.Replaces == name) is { } nearest
            ? $" (nearest to the router's {name}: {nearest.Name})" : "");

    /// <summary>The decode policy where one name is given for both roles.</summary>
    internal static string OnDecode(string name) => Find(name)?.OnDecode ?? name;

    /// <exception cref="ArgumentException">No policy has that name.</exception>
    internal static PickPolicy Create(string name, ControlPlaneOptions options) =>
        (Find(name) ?? throw new ArgumentException($"policy '{name}' {Problem(name)}", nameof(name))).Create(options);

    private static PolicyEntry? Find(string name) => All.FirstOrDefault(policy => policy.Name == name);
}
