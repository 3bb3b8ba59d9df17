namespace OrleansPd.Net.Sockets;

/// <summary>Is notified of the end of a connection even while no read is pending. Called on the loop's thread.</summary>
internal interface ILoopWatch
{
    /// <summary>The peer sends no more.</summary>
    /// <param name="broken">The peer does not receive either: the connection was reset.</param>
    void Ended(bool broken);
}
