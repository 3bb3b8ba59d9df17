namespace OrleansPd.Server.Dev;

/// <summary>What <c>dev</c> starts.</summary>
/// <param name="Silos">Silos, each with a gateway.</param>
/// <param name="Prefills">Simulated prefill engines.</param>
/// <param name="Decodes">Simulated decode engines.</param>
/// <param name="Speed">How many times as fast as GPUs they are.</param>
/// <param name="Port">Of the first gateway; 0 = any free ones.</param>
/// <param name="Redis">Where to look for Redis; <c>none</c> = do without.</param>
/// <param name="MustHaveRedis">It was named by whoever started this: without it, nothing starts.</param>
/// <param name="LogLevel">debug, info, warn or error.</param>
internal sealed record DevOptions(
    int Silos, int Prefills, int Decodes, double Speed, int Port, string Redis, bool MustHaveRedis, string LogLevel);
