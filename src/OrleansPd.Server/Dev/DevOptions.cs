namespace OrleansPd.Server.Dev;

/// <summary>What <c>dev</c> starts.</summary>
/// <param name="Silos">Silos, each with a gateway.</param>
/// <param name="Prefills">Simulated prefill engines.</param>
/// <param name="Decodes">Simulated decode engines.</param>
/// <param name="Speed">Speed of the simulated engines; 1 = as GPUs.</param>
/// <param name="Port">Port of the first gateway; 0 = any free ports.</param>
/// <param name="Redis">Address of Redis; <c>none</c> = memory instead.</param>
/// <param name="MustHaveRedis">The user named a Redis: fail if it does not answer.</param>
/// <param name="LogLevel">debug, info, warn or error.</param>
internal sealed record DevOptions(
    int Silos, int Prefills, int Decodes, double Speed, int Port, string Redis, bool MustHaveRedis, string LogLevel);
