namespace OrleansPd.Gateway.Hosting;

/// <summary>
/// Whether code that a socket wakes runs at once on the thread that waits for sockets, and not on another one. It saves a third
/// of what a request costs. Nothing that runs there may block; so it is the executable's to turn on, which knows all that runs in
/// it.
/// </summary>
public static class InlineSockets
{
    // The runtime knows no other switch, and reads it when the first socket is made.
    private const string Variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    public static bool AreOn => Environment.GetEnvironmentVariable(Variable) == "1";

    /// <summary>
    /// To be called before the process makes its first socket. Whoever has set the variable, to 0 or to 1, is right.
    /// </summary>
    public static void TurnOn()
    {
        if (Environment.GetEnvironmentVariable(Variable) is null)
        {
            Environment.SetEnvironmentVariable(Variable, "1");
        }
    }
}
