from sqlalchemy.orm import Session
from transaction import TransactionManager

STATUS_ACTIVE: str
STATUS_CHANGED: str
STATUS_READONLY: str

def join_transaction(
    session: Session,
    initial_state: str = ...,
    transaction_manager: TransactionManager = ...,
    keep_session: bool = ...,
) -> None: ...
