namespace OrleansPd.Gateway.Hosting;

/// <summary>
/// Makes .NET run socket continuations inline on the thread that polls the sockets, which saves a third of the CPU time of a
/// request. Code that runs there must not block. Only the executable knows all code in the process, so the executable turns it
/// on.
/// </summary>
public static class InlineSockets
{
    // The runtime has no other switch for this, and reads it when the first socket is created.
    private const string Variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    public static bool AreOn => Environment.GetEnvironmentVariable(Variable) == "1";

    /// <summary>
    /// Must be called before the process creates its first socket. Does nothing when the variable is already set, to 0 or to 1.
    /// </summary>
    public static void TurnOn()
    {
        if (Environment.GetEnvironmentVariable(Variable) is null)
            Environment.SetEnvironmentVariable(Variable, "1");
    }
}
