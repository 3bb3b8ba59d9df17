using System.Globalization;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>What the caller of <c>gateway</c> wants.</summary>
internal sealed record BenchFlags
{
    public const string Usage = """
        usage: gateway [--runs N] [--scale F] [--case NAME]... [--ours NAME=FLAGS]... [--peer NAME=COMMAND]... [--out FOLDER]
          --runs N             runs of each case, 1 or more; default 5
          --scale F            requests of a run, as a factor; default 1
          --case NAME          only cases whose name contains NAME ("1 KB", "64 KB", "1 MB", "paced SSE", "one client", "variants", "idle", "start", "fleet")
          --ours NAME=FLAGS    our gateway once more, with these flags, e.g. "reference=--upstream handler"
          --peer NAME=COMMAND  another router, with {port}, {prefill} and {decode} (URLs) and {bootstrap} (a port) filled in
          --out FOLDER         where gateway-bench.json and gateway-bench.md go; default the current folder
        """;

    public int Runs { get; private init; } = 5;

    public double Scale { get; private init; } = 1;

    public string Folder { get; private init; } = ".";

    /// <summary>All addresses of this host: the fleet case gives each worker one of 127.0.0.0/8.</summary>
    public string Address => Wants("fleet") ? "0.0.0.0" : "127.0.0.1";

    private List<string> Cases { get; } = [];

    private List<(string Name, string Flags)> OursToo { get; } = [];

    private List<(string Name, string Command)> Peers { get; } = [];

    public static BenchFlags? Parse(string[] arguments)
    {
        var flags = new BenchFlags();
        for (var i = 0; i < arguments.Length; i += 2)
        {
            if (i + 1 == arguments.Length)
                return null;
            var value = arguments[i + 1];
            switch (arguments[i])
            {
                case "--runs" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var runs) && runs > 0:
                    flags = flags with { Runs = runs };
                    break;
                case "--scale" when double.TryParse(value, CultureInfo.InvariantCulture, out var scale) && scale > 0:
                    flags = flags with { Scale = scale };
                    break;
                case "--out":
                    flags = flags with { Folder = value };
                    break;
                case "--case":
                    flags.Cases.Add(value);
                    break;
                case "--ours" when value.IndexOf('=', StringComparison.Ordinal) is > 0 and var at:
                    flags.OursToo.Add((value[..at], value[(at + 1)..]));
                    break;
                case "--peer" when value.IndexOf('=', StringComparison.Ordinal) is > 0 and var at:
                    flags.Peers.Add((value[..at], value[(at + 1)..]));
                    break;
                default:
                    return null;
            }
        }
        return flags;
    }

    /// <summary>Whether anything is wanted that is measured beside other proxies.</summary>
    public bool WantsPeers =>
        BenchCase.All(1).Any(load => Wants(load.Name)) || Wants("1000 idle") || Wants($"{Limits.IdleStreams} idle");

    public bool Wants(string name) => Cases.Count == 0 || Cases.Exists(c => name.Contains(c, StringComparison.OrdinalIgnoreCase));

    /// <summary>All that is measured, started; those that cannot be had here are told of.</summary>
    public IEnumerable<Contender> Contenders(int prefill, int decode, int? core, Action<string> say)
    {
        yield return Contender.Direct(decode);
        foreach (var proxy in (string[])["nginx", "haproxy"])
        {
            if (Limits.Has(proxy))
                yield return Contender.Proxy(proxy, decode, core);
            else
                say($"SKIPPED: {proxy} is not installed (Debian: apt-get install {proxy}); no ratios to it");
        }
        foreach (var (name, command) in Peers)
            yield return Contender.Peer(name, command, prefill, decode, core);
        (string, int)[] prefills = [($"http://127.0.0.1:{prefill}", prefill)];
        string[] decodes = [$"http://127.0.0.1:{decode}"];
        foreach (var (name, flags) in (IEnumerable<(string, string)>)[("orleanspd", ""), .. OursToo])
            yield return Contender.Ours(name, flags.Split(' ', StringSplitOptions.RemoveEmptyEntries), prefills, decodes, core);
    }
}
