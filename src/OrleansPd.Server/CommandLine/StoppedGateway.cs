namespace OrleansPd.Server.CommandLine;

/// <summary>Says why a gateway stopped without being asked to.</summary>
internal static class StoppedGateway
{
    public static CommandFailedException Explain(Exception? failure) => new(failure is null
        ? "the gateway stopped unexpectedly; its log says why."
        : $"the gateway stopped unexpectedly: {failure.GetType().Name}: {failure.Message}");
}
