namespace OrleansPd.Benchmarks.Gateway;

/// <summary>What this machine allows.</summary>
internal static class Limits
{
    /// <summary>Open files of a process here; .NET raises its own limit to the hard one.</summary>
    public static int OpenFiles { get; } = Read();

    /// <summary>
    /// Streams that a process with two connections each can hold, besides what the load has open to all that is measured; at most
    /// 10,000. The gateway has two for each stream too: the client's and decode's.
    /// </summary>
    public static int IdleStreams => Math.Min(10_000, (OpenFiles - 2000) / 2);

    /// <summary>Core of whoever is measured, and core of the load; null where they cannot be kept apart.</summary>
    public static (int Gateway, int Load)? Cores => Environment.ProcessorCount > 1 && Has("taskset")
        ? (Environment.ProcessorCount - 1, 0) : null;

    /// <summary>Whether a program can be found.</summary>
    public static bool Has(string program) =>
        (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':')
            .Any(folder => File.Exists(Path.Combine(folder, program)));

    private static int Read()
    {
        var line = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        var hard = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4];
        return int.TryParse(hard, out var limit) ? Math.Min(limit, 1 << 17) : 1 << 17;
    }
}
